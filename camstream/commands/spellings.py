"""Old spellings of options: they work for one release, with a note, and no help shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typer.core import TyperCommand

from camstream import starting
from camstream.console import note

_MAPS = {"--calm": "--smooth", "--linger": "--decay", "--sharp": "--refine", "--watch": "--classes"}

# Command -> {old spelling: new spelling}. Renamed after 0.2.0; to be deleted after the next release.
RENAMED: Mapping[str, Mapping[str, str]] = {
    "annotate": _MAPS,
    "live": {
        **_MAPS,
        "--record": "--output",
        "--size": "--camera-size",
        "--taught": "--teach-output",
    },
    "report": {"--present": "--presence-thresholds"},
    "evaluate": {
        "--sharp": "--refine",
        "--sheet": "--contact-sheet",
        "--boxes": "--true-boxes",
        "--masks": "--true-masks",
    },
    "teach": {
        "--every": "--sample-every",
        "--size": "--model-size",
        "--flips": "--flip",
        "--no-flips": "--no-flip",
    },
    "export": {"--size": "--model-size"},
    "train": {
        "--set-aside": "--val-split",
        "--head-rate": "--head-lr",
        "--trunk-rate": "--backbone-lr",
        "--size": "--model-size",
        "--colour": "--color-jitter",
    },
}


class Command(TyperCommand):
    """A command that takes the old spellings of its options as well."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Replace old spellings by new ones, then parse."""
        renamed = RENAMED.get(self.name or "", {})
        end = args.index("--") if "--" in args else len(args)
        for index, argument in enumerate(args[:end]):
            old, equals, value = argument.partition("=")
            if old in renamed:
                args[index] = f"{renamed[old]}{equals}{value}"
                if not ctx.resilient_parsing:  # a shell that completes gets no notes
                    note(f"{old} is now {renamed[old]}; the next release will not know {old}")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; from here on Ctrl-C lets it clean up."""
        starting.end()
        return super().invoke(ctx)
