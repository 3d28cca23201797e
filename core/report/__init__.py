"""What a study or a verdict looks like: tables in four forms, and plots."""
