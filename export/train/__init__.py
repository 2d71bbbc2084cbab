"""Trains a network of ``export.networks`` on the user's own classes and exports it.

examples (what is learnt from) -> training (the loop, checkpoints) -> finished (export, scale).
"""
