"""Demonstrations that make their own pictures: handwritten digits, and a frequency sweep.

A demo's module draws pictures and knows the truth about each (``digits``, ``sweep``); ``demo``
says what a demo is; ``python -m export.demos`` trains its network; ``show`` annotates its clip and
scores it. Only the training needs torch.
"""
