"""What the keys do, for the help: only those that do something in this run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from camstream.live.state import LiveState


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the help.

    Attributes:
        keys: What is pressed, such as "+ -".
        words: What it does.
        needs: "clip": only where a clip is played; "photos": only where photos are looked
            through; "opening", "adding": only where another input can be opened, in place of the
            one or beside the others; "cameras": only where several are looked at;
            "teaching": only where classes can be taught.
    """

    keys: str
    words: str
    needs: Literal["", "clip", "photos", "opening", "adding", "cameras", "teaching"] = ""


HELP = (
    Row("k", "maps of the best 1, 2, 3, 5, 8"),
    Row("/", "show a class: type its name"),
    Row("w", "the named classes on, off"),
    Row("v", "best class against the second"),
    Row("click", "what has evidence there?"),
    Row("m", "smoothing: off, default, strong"),
    Row("t", "trail of the peak on, off"),
    Row("+ -", "heatmap stronger, weaker"),
    Row("c", "next colour map"),
    Row("h l b", "heatmap, label, boxes on, off"),
    Row("e", "colours explained on, off"),
    Row("space", "pause"),
    Row("← →", "5 seconds back, on", "clip"),
    Row(", .", "one frame back, on", "clip"),
    Row("[ ]", "slower, faster", "clip"),
    Row("Home", "go to the beginning", "clip"),
    Row("End", "go to the end", "clip"),
    Row("o", "begin again at the end on, off", "clip"),
    Row("← →", "the photo before, after", "photos"),
    Row("F11", "full screen on, off"),
    Row("i", "open another input", "opening"),
    Row("1 to 9", "this camera alone; or click it", "cameras"),
    Row("Esc", "all cameras", "cameras"),
    Row("i", "one more camera", "adding"),
    Row("Delete", "this camera no more", "cameras"),
    Row("s", "save a snapshot"),
    Row("r", "record on, off"),
    Row("d", "rate: short, full, off"),
    Row("?", "this help"),
    Row("q", "quit"),
    Row("1 to 9", "hold while this class is seen", "teaching"),
    Row("n", "name the class taught last", "teaching"),
    Row("z", "forget its frames", "teaching"),
    Row("f", "fit to what was taught", "teaching"),
    Row("x", "save the model", "teaching"),
)


def help_rows(state: LiveState) -> list[Row]:
    """Give the lines of the help that hold for a session, in the order to be read."""
    counts = "" if state.player is None else state.player.counts
    has = {
        "": True,
        "clip": counts == "seconds",
        "photos": counts == "photos",
        "opening": state.can_open and not state.cameras,
        "adding": state.can_open and bool(state.cameras),
        "cameras": bool(state.cameras),
        "teaching": state.teaching is not None,
    }
    return [row for row in HELP if has[row.needs]]
