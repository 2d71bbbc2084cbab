"""Demonstrations that draw their own images: handwritten digits, and a frequency sweep.

``digits`` and ``sweep`` draw images and know the ground truth of each; ``demo`` defines what a demo
is, and scores a clip; ``run`` trains a demo's network, annotates its clip and scores the result.
"""
