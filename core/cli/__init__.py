"""The `assay` command. This module stays empty of imports: forked runs load it with the main module."""


def main() -> None:
    """Parse, call one function, print."""
    from core.cli.app import run

    run()
