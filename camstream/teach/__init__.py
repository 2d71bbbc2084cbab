"""Teaches a model new classes from photos, clips or frames: a new last layer, the trunk as it is.

album -> features -> fit -> heat -> rehead; ``command`` runs them for a folder, ``teacher`` for
frames that come while a program runs. Needs no torch.
"""
