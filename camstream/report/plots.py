"""The pictures of a clip's story as PNG files, drawn by matplotlib."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from camstream.errors import SinkError
from camstream.report.drawing import RAMP
from camstream.report.pictures import Album
from camstream.report.timeline import (
    Timeline,
    clock_span,
    curve,
    full_height,
    short_clock,
    spans,
    ticks,
)
from camstream.sinks.atomic_file import AtomicFile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (
    "#2a78d6",
    "#e3622b",
    "#14996b",
    "#c98b00",
    "#d1568c",
    "#3f8f1f",
    "#6a55c8",
    "#c93c3c",
)
_INK, _SOFT = "#16181d", "#5b606b"
_DPI = 150
_COLUMNS = 5
_PATH_POINTS = 2000

Plot = Callable[[Timeline, Album | None], "Figure"]


def plot_names(album: bool) -> tuple[str, ...]:
    """The files that ``write_plots`` writes."""
    return ("ribbons.png", "path.png", "spread.png", *(("changes.png",) if album else ()))


def check_plots(folder: Path, *, album: bool, overwrite: bool) -> list[AtomicFile]:
    """Make the folder and find out whether the pictures may be written.

    Raises:
        SinkError: They may not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"cannot make the folder {folder}: {error.strerror}") from error
    return [AtomicFile(folder / name, overwrite=overwrite) for name in plot_names(album)]


def write_plots(drafts: Sequence[AtomicFile], timeline: Timeline, album: Album | None) -> None:
    """Draw and write the pictures.

    Args:
        drafts: From ``check_plots``.
        timeline: The clip.
        album: Its small pictures, None for none.

    Raises:
        SinkError: One cannot be written.
    """
    plots: dict[str, Plot] = {
        "ribbons.png": _plot_ribbons,
        "path.png": _plot_path,
        "spread.png": _plot_spread,
        "changes.png": _plot_changes,
    }
    for atomic_file in drafts:
        figure = plots[atomic_file.target.name](timeline, album)
        try:
            with warnings.catch_warnings():
                # A label in a script that the font lacks is drawn as boxes; that is no error.
                warnings.filterwarnings("ignore", "Glyph .* missing from font")
                figure.savefig(atomic_file.path, dpi=_DPI, bbox_inches="tight", pad_inches=0.15)
        except OSError as error:
            atomic_file.discard()
            raise SinkError(f"cannot write {atomic_file.target}: {error.strerror}") from error
        atomic_file.commit()


def _figure(width: float, height: float) -> Figure:
    # Half a second to import, and only these pictures need it.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor="white", layout="constrained")


def _plot_ribbons(timeline: Timeline, _: Album | None) -> Figure:
    figure = _figure(10, 0.55 + 0.62 * len(timeline.displayed))
    rows: Any = figure.subplots(len(timeline.displayed), sharex=True, squeeze=False)
    for axes, one, colour in zip(rows[:, 0], timeline.displayed, COLOURS, strict=False):
        heights = curve(timeline, timeline.records.scores_of(one)) / full_height(timeline)
        is_best = curve(timeline, (timeline.records.classes[:, 0] == one).astype(np.float64)) >= 0.5
        for part, opacity in ((heights, 0.3), (np.where(is_best, heights, 0), 1.0)):
            xs, ys = _stairs(timeline, part)
            axes.fill_between(xs, -ys, ys, color=colour, alpha=opacity, linewidth=0)
        for found in timeline.presence[one]:
            axes.plot([found.start_s, found.end_s], [-1.25] * 2, color=colour, linewidth=2.5)
        axes.set_ylim(-1.45, 1.05)
        axes.set_yticks([])
        _bare(axes)
        axes.text(0, 1.0, timeline.label(one), transform=axes.transAxes, va="bottom", fontsize=9,
                  color=_INK, parse_math=False)  # fmt: skip
    _time_axis(timeline, rows[-1, 0])
    return figure


def _plot_spread(timeline: Timeline, _: Album | None) -> Figure:
    figure = _figure(10, 2.4)
    axes = figure.subplots()
    values = curve(timeline, timeline.records.spread)
    xs, ys = _stairs(timeline, np.nan_to_num(values))
    axes.fill_between(xs, ys, color=COLOURS[0], alpha=0.2, linewidth=0)
    xs, ys = _stairs(timeline, values)
    axes.plot(xs, ys, color=COLOURS[0], linewidth=1.3)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0%", "50%", "100%"])
    axes.set_ylabel("spread of the attention", fontsize=9, color=_SOFT)
    _bare(axes)
    _time_axis(timeline, axes)
    return figure


def _plot_path(timeline: Timeline, album: Album | None) -> Figure:
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    records = timeline.records
    places = records.centroid_xy if np.isfinite(records.centroid_xy).any() else records.peak_xy
    width, height = timeline.size_wh or (album.size_wh if album else (1, 1))
    figure = _figure(8, 8 * height / width)
    axes = figure.subplots()
    if album is not None:
        middle_s = (timeline.start_s + timeline.end_s) / 2
        grey = cv2.cvtColor(_decode(album, album.nearest(middle_s)), cv2.COLOR_RGB2GRAY)
        axes.imshow(grey * 0.55, cmap="gray", vmin=0, vmax=255, extent=(0, width, height, 0))
    axes.set_facecolor("#0b0c0f")
    kept = np.linspace(0, len(places) - 1, min(len(places), _PATH_POINTS)).round().astype(np.int64)
    points = places[kept][:, np.newaxis]
    ramp = LinearSegmentedColormap.from_list("time", [np.array(stop) / 255 for stop in RAMP])
    lines = LineCollection(
        np.concatenate([points[:-1], points[1:]], axis=1).tolist(),
        cmap=ramp,
        norm=Normalize(timeline.start_s, timeline.end_s),
        linewidths=1.8,
        capstyle="round",
    )
    lines.set_array(records.pts_s[kept[:-1]])
    axes.add_collection(lines)
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[], aspect="equal")
    bar = figure.colorbar(lines, ax=axes, orientation="horizontal", shrink=0.6, aspect=50, pad=0.02)
    times = ticks(timeline.start_s, timeline.end_s, 6)
    bar.set_ticks(times, labels=[short_clock(time) for time in times])
    bar.outline.set_visible(False)
    return figure


def _plot_changes(timeline: Timeline, album: Album | None) -> Figure:
    assert album is not None
    segments = timeline.long_segments
    rows = -(-len(segments) // _COLUMNS)
    shape = album.size_wh[1] / album.size_wh[0]
    figure = _figure(2.4 * _COLUMNS, rows * (2.3 * shape + 0.55))
    tiles: Any = figure.subplots(rows, _COLUMNS, squeeze=False)
    for axes in tiles.flat:
        axes.set_axis_off()
    for axes, segment in zip(tiles.flat, segments, strict=False):
        axes.imshow(_decode(album, album.nearest(float(timeline.records.pts_s[segment.best]))))
        text = (
            f"{_cut(timeline.label(segment.class_index))}  {segment.peak_score:.0%}\n"
            f"{clock_span(segment.start_s, segment.end_s)}"
        )
        axes.set_title(text, fontsize=8, color=_INK, loc="left", parse_math=False)
    return figure


def _stairs(timeline: Timeline, values: np.ndarray[Any, Any]) -> tuple[Any, Any]:
    """Corners of a curve that keeps each moment's value until its end; NaN between."""
    starts, ends = spans(timeline)
    xs = np.stack([starts, ends, ends], axis=1).ravel()
    gaps = np.append(ends[:-1] < starts[1:], True)
    ys = np.stack([values, values, np.where(gaps, np.nan, values)], axis=1).ravel()
    return xs, ys


def _time_axis(timeline: Timeline, axes: Axes) -> None:
    axes.set_xlim(timeline.start_s, timeline.end_s)
    times = ticks(timeline.start_s, timeline.end_s)
    axes.set_xticks(times, [short_clock(time) for time in times])
    axes.tick_params(axis="x", labelbottom=True, labelsize=8, colors=_SOFT)


def _bare(axes: Axes) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#d5d6d4")
    axes.tick_params(colors=_SOFT, labelsize=8, length=3)


def _cut(label: str) -> str:
    return label if len(label) <= 24 else f"{label[:23]}…"


def _decode(album: Album, place: int) -> Any:
    """A small picture as (H, W, 3) uint8 RGB."""
    data = np.frombuffer(album.thumbs[place].jpeg, np.uint8)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)  # type: ignore[arg-type]
