"""The `assay` command. No imports here: forked runs load this file with the main module."""


def main() -> None:
    """Parse, call one function, print."""
    from core.cli.app import run

    run()
