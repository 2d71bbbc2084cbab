"""Measures a model on photos: does it name the thing, and does the map show where it is?

Reading order: ``annotations`` (what is true), ``metrics`` (the definitions), ``measure`` (the
loop), ``report`` (the table), ``contact_sheet`` (the best, the typical and the worst to look at).
"""
