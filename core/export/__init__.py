"""Showing runs elsewhere: one process a study follows their files into W&B and TensorBoard.

Nothing here can stop or slow a run. What a sink did not get, it gets when the exporter starts
again: a run that was not closed in a sink is written there again from its first event.
"""
