"""What was seen in a video over its time, in a few pieces: a row of the page of all videos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from camstream.query.records import Seen

PARTS = 240  # of a video's time; more could not be told apart on the page

Piece = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Ribbon:
    """What was seen in a video.

    Attributes:
        pieces: From, to and label, in parts of its time, in order; nothing where nothing had a name.
        shares: Of all frames each label had, the most frequent first.
    """

    pieces: tuple[Piece, ...]
    shares: tuple[tuple[str, float], ...]


def make_ribbon(seen: Seen, duration_s: float) -> Ribbon:
    """Find what was seen mostly in each part of a video's time; what is rare is seen as well.

    Args:
        seen: Its records.
        duration_s: Its length.
    """
    records = seen.records
    best = np.where(seen.named, records.classes[:, 0], -1)
    named = best >= 0
    count = len(best)
    labels = records.labels
    totals = np.bincount(best[named]) if named.any() else np.zeros(0, np.int64)
    order = sorted(np.flatnonzero(totals).tolist(), key=lambda key: -int(totals[key]))
    shares = tuple((labels[key], int(totals[key]) / count) for key in order)
    end_s = max(duration_s, float(records.pts_s[-1]), 1e-9)
    places = np.clip((records.pts_s / end_s * PARTS).astype(np.int64), 0, PARTS - 1)
    # A frame lasts until the next one: where there are fewer frames than parts, each has several.
    after = np.append(places[1:], PARTS)
    usual = max(1, round(float(np.median(after - places)))) if count > 1 else PARTS
    lasting = np.minimum(after, places + usual + (usual + 1) // 2)  # but not over a gap
    parts = np.full(PARTS, -1, np.int64)
    most = np.zeros(PARTS, np.int64)
    for key in order:
        frames = np.bincount(places[best == key], minlength=PARTS)
        first = places[best == key]
        if usual > 1:
            frames = np.zeros(PARTS, np.int64)
            for begin, end in zip(first.tolist(), lasting[best == key].tolist(), strict=True):
                frames[begin:end] += 1
        better = frames > most
        parts[better], most[better] = key, frames[better]
    edges = np.flatnonzero(np.diff(parts)) + 1
    pieces = tuple(
        (int(begin), int(end), labels[int(parts[begin])])
        for begin, end in zip([0, *edges.tolist()], [*edges.tolist(), PARTS], strict=True)
        if parts[begin] >= 0
    )
    return Ribbon(pieces, shares)
