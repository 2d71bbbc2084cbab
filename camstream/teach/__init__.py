"""Teaches a model new classes from photos, clips or frames: a new last layer on the old backbone.

dataset -> features -> fit -> graph.new_head; ``run`` does this for a folder, ``teacher`` for frames
that come while a program runs, and ``report`` measures a fit. Needs no torch.
"""
