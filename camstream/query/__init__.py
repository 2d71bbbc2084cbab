"""Questions to an archive: when was something there, in which video?

    from camstream.query import find

    for found in find("archive/", "person", min_score=0.8, for_s=2):
        print(found.video, found.start_s, found.end_s, found.best_score)

``folder`` finds the files of an archive, ``index`` keeps what was seen in an order that answers quickly,
``names`` finds a class by name, ``intervals`` finds when it was there. ``output`` prints that, ``clips`` cuts
it out, ``contact_sheet`` draws it; ``sql`` is for all other questions.
"""

from camstream.query.intervals import Found, Question, find

__all__ = ["Found", "Question", "find"]
