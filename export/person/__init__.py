"""How the head of the shipped model ``person`` was trained; the wheel does not contain this.

Reading order: ``person_photos`` (the photos, and where people are in them), ``copy_paste`` (training
images made of them), ``fit_neck`` (the training), ``judge_person`` (the figures of docs/lab/person.md),
``train_person`` (all of it, as a command).
"""
