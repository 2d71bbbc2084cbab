"""What ``camstream live`` checks before it begins, how it waits, and what it says at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from camstream.address import shown
from camstream.console import Stop, remark
from camstream.errors import UsageError
from camstream.sinks.receivers import Receiver, receiver_of
from camstream.sources.player import SPEEDS, PlayerState
from camstream.stats import RunStats

if TYPE_CHECKING:
    from camstream.contract import ModelInfo

_PATIENCE_S = 2.0


class Patience:
    """Waits with the user while a source is being opened: says so once, and ends on Ctrl-C."""

    def __init__(self, source: str, stop: Stop) -> None:
        self._name = shown(int(source) if source.isdecimal() else source)
        self._stop = stop
        self._is_told = False

    def __call__(self, waited_s: float) -> None:
        self._stop.end()
        if waited_s >= _PATIENCE_S and not self._is_told:
            self._is_told = True
            remark(f"still opening {self._name}; Ctrl-C ends it")


def summary(result: RunStats, player: PlayerState | None) -> str:
    """Say in one line what was done with a source."""
    if player is not None and player.counts == "photos":
        shown = f"{result.frames_out} photo{'' if result.frames_out == 1 else 's'} shown"
        return f"{result.source}: {shown}"
    lag = result.stages_ms.get("lag")
    back = f", back {result.reconnects} times" if result.reconnects else ""
    return (
        f"{result.source}: {result.frames_out} frames shown, {result.rate_hz:.1f} fps, "
        f"{result.frames_dropped} dropped, {result.frames_mapped} inferred{back}"
        + (f"; lag {lag.p50:.0f} ms (p95 {lag.p95:.0f})" if lag else "")
    )


def check_speed(speed: float) -> float:
    """Return a speed, if a file can be played at it; raises UsageError."""
    if speed not in SPEEDS:
        known = ", ".join(f"{one:g}" for one in SPEEDS)
        raise UsageError(f"--speed {speed:g}: the speed is one of {known}")
    return speed


def parse_receiver(text: str) -> Receiver:
    """Read who is told of presence; raises BadParameter."""
    try:
        return receiver_of(text)
    except UsageError as error:
        raise typer.BadParameter(str(error)) from None


def check_teaching(
    *, is_taught: bool, several: bool, is_seen: bool, has_maps: bool, output: Path | None
) -> None:
    """Check that a run can be taught, where that is asked for; raises UsageError."""
    if is_taught and several:
        raise UsageError("--teach and --teach-output: several cameras cannot be taught")
    if is_taught and (not is_seen or has_maps):
        raise UsageError(
            "--teach and --teach-output are for window and page, and a file of --maps has "
            "one model's classes: leave out --no-window and --maps"
        )
    if output is not None and output.suffix.lower() != ".onnx":
        raise UsageError(f"--teach-output {output}: a model's name ends in .onnx")


def check_presence(info: ModelInfo, classes: Sequence[str] | None, **asked: object) -> None:
    """Check that something can be there, where news of it are asked for; raises UsageError.

    Args:
        info: What the model says of itself.
        classes: Those that are asked for by name.
        asked: The options that need presence, by their names in Python; None for one that was
            not given.
    """
    option = next((name for name, value in asked.items() if value is not None), None)
    if option is not None and info.background is None and not classes:
        raise UsageError(
            f"--{option.replace('_', '-')}: this model knows no state in which nothing is there; "
            "name what is looked for with --classes, or use --model person"
        )
