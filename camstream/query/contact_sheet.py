"""A contact sheet of intervals: of each the frame that scores highest."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

import cv2
import numpy as np

from camstream.drawing.sheet import (
    CAPTION_PX,
    GAP_PX,
    SHEET_SUFFIXES,
    TILE_PX,
    ground,
    make_tile,
    tile_size,
)
from camstream.errors import SinkError, SourceError
from camstream.media import read_photo
from camstream.picture import ImageU8
from camstream.query.intervals import Found
from camstream.query.video_file import find_file, is_photo
from camstream.query.words import clock, time_code
from camstream.report.pictures import find_frames
from camstream.safe_text import safe_text
from camstream.sinks.atomic_file import AtomicFile
from camstream.sources.file import FileSource

MOST_TILES = 60  # more, and nobody finds anything
_COLUMNS = 6
_LONGEST_NAME = 20
_BACK_S = 2.0  # a jump may lead to a key frame a little too late
_APART_S = 1.0  # a frame further from its time is another one


Tile = tuple[ImageU8, str, str]
"""A picture, (h, w, 3) uint8 BGR, and the two lines below it."""


def check_sheet(path: Path, *, overwrite: bool) -> AtomicFile:
    """Check that a contact sheet may be written.

    Raises:
        SinkError: It may not.
    """
    if path.suffix.lower() not in SHEET_SUFFIXES:
        raise SinkError(f"cannot write {path}: a contact sheet is a .jpg or .png picture")
    return AtomicFile(path, overwrite=overwrite)


def write_contact_sheet(
    file: AtomicFile,
    found: Sequence[Found],
    *,
    on_problem: Callable[[str], None],
    on_tile: Callable[[int, int | None], None] = lambda _done, _all: None,
) -> int:
    """Draw intervals, the best ones where there are more than MOST_TILES.

    Args:
        file: From ``check_sheet``.
        found: The intervals.
        on_problem: Called with a line for each that cannot be drawn; the others go on.
        on_tile: Called with the number of intervals done and of all that are drawn.

    Returns:
        How many were drawn; where there was none, no file is written.

    Raises:
        SinkError: The file cannot be written.
    """
    best = sorted(range(len(found)), key=lambda place: -found[place].best_score)[:MOST_TILES]
    tiles: list[Tile] = []
    problems: dict[str, None] = {}  # each once, though a video may have many intervals
    for done, place in enumerate(sorted(best), 1):
        try:
            tiles.append(draw(found[place]))
        except SourceError as error:
            problems[str(error)] = None
        on_tile(done, len(best))
    for problem in problems:
        on_problem(problem)
    if not tiles:
        file.discard()
        return 0
    try:
        with file.writing():
            coded = cv2.imencode(file.target.suffix.lower(), lay_out(tiles))[1]
            file.path.write_bytes(coded.tobytes())
        file.commit()
    finally:
        if not file.is_done:
            file.discard()
    return len(tiles)


def draw(one: Found) -> Tile:
    """Draw an interval: its best frame; where and when that is, and its score.

    Raises:
        SourceError: The video is not there any more, has changed, or has no such frame.
    """
    path = find_file(one.video)
    image = _shrunk_photo(path) if is_photo(one.video) else _frame(path, one)
    name = safe_text(PurePath(one.video.video).name, limit=_LONGEST_NAME)
    at = one.video.clock(one.best_s)
    lower = f"{one.best_score:.0%}" + (f"  {clock(at)}" if at else "")
    return image, f"{time_code(one.best_s)}  {name}", lower


def _shrunk_photo(path: Path) -> ImageU8:
    image = read_photo(path)
    small = cv2.resize(
        image, tile_size(image.shape[1], image.shape[0]), interpolation=cv2.INTER_AREA
    )
    return np.asarray(small, np.uint8)


def _frame(path: Path, one: Found) -> ImageU8:
    """Decode the best frame of an interval, as large as a tile."""
    source = FileSource(path, even=True)
    with contextlib.closing(source):
        if not source.timeline().has_jumps:
            source.seek(max(0.0, one.best_s - _BACK_S))
        _, (found_s, picture) = next(find_frames(source, [one.best_s]))
        if abs(found_s - one.best_s) > max(_APART_S, one.video.step_s):
            raise SourceError(
                f"{path} has no frame at {time_code(one.best_s)}: is it another clip?"
            )
        return picture.bgr(tile_size(*picture.size_wh))


def lay_out(tiles: Sequence[Tile]) -> ImageU8:
    """Put tiles side by side, row by row.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    columns = min(_COLUMNS, max(1, math.ceil(math.sqrt(len(tiles)))))
    rows = math.ceil(len(tiles) / columns)
    tallest = max(image.shape[0] for image, _, _ in tiles)
    height, width = tallest + CAPTION_PX + GAP_PX, TILE_PX + GAP_PX
    sheet = ground(rows * height + GAP_PX, columns * width + GAP_PX)
    for place, (image, upper, lower) in enumerate(tiles):
        tile = make_tile(image, upper, lower, height=tallest)
        top, left = (place // columns) * height + GAP_PX, (place % columns) * width + GAP_PX
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet
