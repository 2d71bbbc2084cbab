"""Many files: each in a child process, what is done is noted, and a second run goes on from there.

A ``Task`` is one file and what is made of it. A ``Pool`` runs tasks in children that stay for the
next one; a crash, a hang or want of memory costs that file alone. The ``Store`` holds a note a
task, and ``run`` puts the three together. Nothing here knows what the work is: that is a function
that the children import by its name.
"""
