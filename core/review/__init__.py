"""One page about a study or a task for people without an account: HTML in one file, Markdown."""
