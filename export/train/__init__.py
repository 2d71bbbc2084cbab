"""Trains a network of ``export.networks`` on the user's own classes and exports it.

Reading order: ``recipe`` (the settings), ``examples`` (the images), ``network`` (old weights and a
new last layer before the training, the export after it), ``training`` (the loop and its
checkpoints), ``job`` (all of it from start to file).
"""
