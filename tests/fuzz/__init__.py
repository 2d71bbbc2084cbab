"""Damaged clips, photos, models, records and other inputs, from seeds: nothing may break camstream.

A case is a group and a seed, such as ``clip:17``. ``corpus`` makes whole files, ``cases`` damages
one by the mutators ``mutate_bytes``, ``mutate_text`` and ``mutate_models`` and says what is run on it,
``child`` runs cases in one process that stays warm, ``runner`` watches its time and memory, and
``verdict`` says what went wrong. ``python -m tests.fuzz --help`` runs many.
"""
