"""The records of an archive as the report of a clip needs them, and as a ribbon for the page of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camstream.errors import SourceError, first_line
from camstream.frame import NAMED_FROM
from camstream.query.entries import read_columns, to_numpy
from camstream.query.folder import Stored
from camstream.report.read import F64, I64, Records, name_classes
from camstream.safe_text import safe_text

_PLACES = ("peak_x", "peak_y", "peak", "area", "width", "height")
_COLUMNS = [
    "pts_s", "label", "class_index", "score", "top", "present", *_PLACES,
]  # fmt: skip
_K = 5


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run saw in a video.

    Attributes:
        records: For the report of the clip.
        named: (T,) whether a frame's best class has a name to show: it is sure enough, or where the
            run decided what is present, something is.
    """

    records: Records
    named: NDArray[np.bool_]


def read_seen(stored: Stored, name: str) -> Seen:
    """Read the records of a video.

    Args:
        stored: Its files.
        name: What to call the video.

    Raises:
        SourceError: They cannot be read, or there is not one.
    """
    table = read_columns(stored.records, _COLUMNS)
    if not len(table):
        raise SourceError(f"cannot read {stored.records}: there is not one record in it")
    try:
        return _to_seen(table, name)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            f"cannot read {stored.records}: these are no records of an archive ({first_line(error)})"
        ) from error


def _to_seen(table: Any, name: str) -> Seen:
    pts_s = to_numpy(table["pts_s"].fill_null(np.nan)).astype(np.float64)
    if not (np.diff(pts_s) > 0).all() or not np.isfinite(pts_s).all():
        raise ValueError("their times do not grow")
    keys: dict[tuple[int, str], int] = {}
    displayed = _keys(table["label"], table["class_index"], keys)
    displayed_score = to_numpy(table["score"].fill_null(0)).astype(np.float64)
    classes, scores = _first(displayed, displayed_score, *_top(table["top"], keys))
    places = {
        one: to_numpy(table[one].cast("float64").fill_null(np.nan)).astype(np.float64)
        for one in _PLACES
    }
    named = displayed_score >= NAMED_FROM
    if "present" in table.column_names and table["present"].null_count < len(table):
        named = to_numpy(table["present"].fill_null(False).cast("uint8")).astype(bool)
    records = Records(
        name=name,
        pts_s=pts_s,
        classes=classes,
        scores=np.clip(scores, 0.0, 1.0),
        peak_xy=np.stack([places["peak_x"], places["peak_y"]], axis=1),
        peak=places["peak"],
        centroid_xy=np.full((len(pts_s), 2), np.nan),
        area=places["area"],
        size_wh=np.stack([places["width"], places["height"]], axis=1),
        labels={key: safe_text(label) for key, label in name_classes(keys).items()},
        method="",
        warnings=(),
    )
    return Seen(records, named)


def _keys(labels: Any, numbers: Any, keys: dict[tuple[int, str], int]) -> I64:
    """Give each class of a column its key; new ones are added."""
    column = labels.combine_chunks() if hasattr(labels, "combine_chunks") else labels
    column = column.chunk(0) if hasattr(column, "num_chunks") else column
    coded = column.fill_null("").dictionary_encode()
    codes = to_numpy(coded.indices).astype(np.int64)
    indices = to_numpy(numbers.fill_null(-1)).astype(np.int64)
    distinct, places = np.unique(codes << 32 | (indices + 1), return_inverse=True)
    known = coded.dictionary.to_pylist()
    here = [
        keys.setdefault(((code & 0xFFFFFFFF) - 1, known[code >> 32]), len(keys))
        for code in distinct.tolist()
    ]
    return np.asarray(here, np.int64)[places]


def _top(column: Any, keys: dict[tuple[int, str], int]) -> tuple[I64, F64]:
    """Lay the lists of classes out, (T, K): keys, -1 where there are fewer, and scores."""
    whole = column.combine_chunks()
    whole = whole.chunk(0) if hasattr(whole, "num_chunks") else whole
    lengths = to_numpy(whole.value_lengths().fill_null(0)).astype(np.int64)
    inner = whole.flatten()
    classes = np.full((len(lengths), _K), -1, np.int64)
    scores = np.zeros((len(lengths), _K))
    if len(inner):
        rows = np.repeat(np.arange(len(lengths)), lengths)
        ranks = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        kept = ranks < _K
        flat = _keys(inner.field("label"), inner.field("class_index"), keys)
        classes[rows[kept], ranks[kept]] = flat[kept]
        scored = to_numpy(inner.field("score").fill_null(0)).astype(np.float64)
        scores[rows[kept], ranks[kept]] = scored[kept]
    return classes, np.nan_to_num(scores)


def _first(displayed: I64, score: F64, classes: I64, scores: F64) -> tuple[I64, F64]:
    """Put what the run named first, the others after it."""
    same = classes == displayed[:, np.newaxis]
    order = np.argsort(same, axis=1, kind="stable")[:, : _K - 1]  # the same one comes last
    others = np.take_along_axis(np.where(same, -1, classes), order, axis=1)
    rest = np.take_along_axis(np.where(same, 0.0, scores), order, axis=1)
    return (
        np.concatenate([displayed[:, np.newaxis], others], axis=1),
        np.concatenate([np.nan_to_num(score)[:, np.newaxis], rest], axis=1),
    )
