"""Counts events: false ones on empty footage, and visits found, with their delay.

    python -m export.person.score_events ../shared/data camstream:person camstream:person@448 \
        --minutes 60 --median 3

Any scorer will do (export/person/scorers.py). A presence is what ``--presence`` of camstream says one
is: on at the scorer's threshold, off at half of it, at least 0.3 s long. ``--median 3`` decides on the
median of the last three scores. The footage is made by export/person/footage.py from photos of
``person/no`` and from the people of the clip of the room. What is left out of it because there is no
such data: posters, mannequins, statues, glass; what is seen straight down is in ``person_video``.
"""

from __future__ import annotations

import itertools
import statistics
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from camstream.console import plain_errors
from camstream.errors import SourceError
from camstream.maps.presence import Interval, PresenceRule, find_intervals
from camstream.media import read_photo
from camstream.picture import ImageU8
from export.person.footage import WAYS, Walker, film, visit
from export.person.judge_person import crop_persons
from export.person.scorers import Scorer, open_scorer

_EMPTY_S = 12.0  # of one photo in one way
_VISIT_S = 9.0
_SIZES = (1 / 2, 1 / 4, 1 / 8)
_ROOM = "intel_one_by_one_person.mp4"
_IN_TIME_S = 0.5


def rule(threshold: float) -> PresenceRule:
    """Give camstream's rule for another threshold."""
    return PresenceRule(on_threshold=threshold, off_threshold=threshold / 2)


def smoothed(samples: Iterable[tuple[float, float]], median: int) -> Iterable[tuple[float, float]]:
    """Replace each score by the median of the last few: with 1, by itself."""
    last: deque[float] = deque([0.0] * (median - 1), maxlen=median)
    for at_s, score in samples:
        last.append(score)
        yield at_s, statistics.median(last)


@dataclass(slots=True)
class Empty:
    """What came of empty footage of one way.

    Attributes:
        seconds: Its length.
        events: False ones.
        photos: Whose footage had one.
    """

    seconds: float = 0.0
    events: int = 0
    photos: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return the rate, and what it was counted on."""
        return f"{self.events / self.seconds * 3600:.1f} an hour ({self.events} in {self.seconds / 60:.1f} min)"


@dataclass(slots=True)
class Visits:
    """What came of visits of one kind.

    Attributes:
        delays_s: From half of the person in the frame to the presence's first frame that can be
            told: its beginning and the shortest length of a presence. Of those that were found.
        missed: How many were not found.
    """

    delays_s: list[float] = field(default_factory=list)
    missed: int = 0

    def __str__(self) -> str:
        """Return the shares found, found in time, and the delays."""
        count = len(self.delays_s) + self.missed
        in_time = sum(one <= _IN_TIME_S for one in self.delays_s)
        text = f"{len(self.delays_s)} of {count} found, {in_time} within {_IN_TIME_S} s"
        if self.delays_s:
            late = np.quantile(self.delays_s, 0.95)
            text += f", delay {np.median(self.delays_s):.2f} s, 95 % {late:.2f} s"
        return text


def judge_visit(found: Sequence[Interval], seconds: float) -> float | None:
    """Give the delay of the visit, from 0 on, seconds; None: it was missed.

    Args:
        found: The presences of the footage.
        seconds: Its length.
    """
    one = visit(seconds)
    hits = [each for each in found if each.end_s > one.begin_s and each.start_s < one.end_s]
    told_s = PresenceRule().min_duration_s
    return max(0.0, hits[0].start_s + told_s - one.begin_s) if hits else None


def measure_empty(
    scorer: Scorer, photos: Sequence[Path], *, fps: float, minutes: float, median: int
) -> dict[str, Empty]:
    """Count false events in footage of the photos, in each way in turn."""
    found = {way: Empty() for way in WAYS}
    turns = itertools.islice(
        zip(itertools.cycle(photos), itertools.cycle(WAYS), strict=False),
        round(minutes * 60 / _EMPTY_S),
    )
    for number, (path, way) in enumerate(turns):
        frames = film(read_photo(path), way, fps=fps, seconds=_EMPTY_S, seed=number)
        samples = ((at_s, scorer.score(image)) for at_s, image in frames)
        events = find_intervals(smoothed(samples, median), rule(scorer.threshold))
        found[way].seconds += _EMPTY_S
        found[way].events += len(events)
        found[way].photos += [path.name] * bool(events)
    return found


def measure_visits(
    scorer: Scorer,
    photos: Sequence[Path],
    walkers: Sequence[tuple[ImageU8, np.typing.NDArray[np.uint8]]],
    *,
    fps: float,
    count: int,
    median: int,
) -> dict[str, Visits]:
    """Let people visit the photos, by size and light, and cut off by the edge."""
    kinds = [(height, way, False) for height in _SIZES for way in ("still", "night")]
    kinds += [(1 / 2, "still", True), (1 / 4, "still", True)]
    found: dict[str, Visits] = {}
    for height, way, cut in kinds:
        name = f"1/{1 / height:.0f} of the height, {'night' if way == 'night' else 'day'}"
        visits = found.setdefault(name + (", half cut off by the edge" if cut else ""), Visits())
        for number in range(count):
            image, mask = walkers[number % len(walkers)]
            frames = film(
                read_photo(photos[number * 7 % len(photos)]),
                way,
                fps=fps,
                seconds=_VISIT_S,
                seed=number,
                walker=Walker(image, mask, height, cut),
            )
            samples = [(at_s, scorer.score(frame)) for at_s, frame in frames]
            events = find_intervals(smoothed(samples, median), rule(scorer.threshold))
            delay = judge_visit(events, _VISIT_S)
            if delay is None:
                visits.missed += 1
            else:
                visits.delays_s.append(delay)
    return found


def empty_photos(folder: Path) -> list[Path]:
    """List the photos without people, of all sources in turns.

    Raises:
        SourceError: There are none.
    """
    by_source: dict[str, list[Path]] = {}
    for path in sorted((folder / "person" / "no").glob("*.jpg")):
        by_source.setdefault(path.stem.rpartition("_")[0], []).append(path)
    if not by_source:
        raise SourceError(f"no photos without people in {folder / 'person' / 'no'}")
    turns = itertools.zip_longest(*by_source.values())
    return [path for turn in turns for path in turn if path is not None]


def main(
    folder: Path,
    scorers: Annotated[
        list[str], typer.Argument(help="KIND:ARGUMENT, see export/person/scorers.py")
    ],
    minutes: Annotated[float, typer.Option(help="Of empty footage.")] = 60.0,
    visits: Annotated[int, typer.Option(help="Of each kind.")] = 40,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 5.0,
    median: Annotated[int, typer.Option(help="Of so many scores.")] = 1,
    threshold: Annotated[float | None, typer.Option(help="In place of the scorer's own.")] = None,
    threads: Annotated[int, typer.Option(help="Of each network.")] = 1,
) -> None:
    """Count false events and visits."""
    with plain_errors(debug=False):
        photos = empty_photos(folder)
        walkers = list(crop_persons(folder / "videos" / _ROOM)) if visits else []
        for text in scorers:
            opened = open_scorer(text, threads=threads)
            limit = opened.threshold if threshold is None else threshold
            scorer = Scorer(opened.name, opened.score, limit)
            print(f"\n{scorer.name} at {limit:g}, median of {median}, {fps:g} frames/s")
            empty = measure_empty(scorer, photos, fps=fps, minutes=minutes, median=median)
            whole = Empty(
                sum(one.seconds for one in empty.values()),
                sum(one.events for one in empty.values()),
            )
            if whole.seconds:
                print(f"  false events: {whole}")
            for way, one in empty.items():
                if one.seconds:
                    print(f"    {way}: {one}  {' '.join(one.photos[:4])}")
            if visits:
                seen = measure_visits(scorer, photos, walkers, fps=fps, count=visits, median=median)
                for name, each in seen.items():
                    print(f"  {name}: {each}")


if __name__ == "__main__":
    typer.run(main)
