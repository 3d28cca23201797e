"""The terminal face: screens over the same files and functions as the command line.

It owns nothing: every screen reads run folders, the studies' journals and the ledger, and what it
starts is a command in a session of its own. No torch, Optuna, W&B or GitPython in its process.
"""
