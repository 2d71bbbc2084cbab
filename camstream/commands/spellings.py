"""How options are spelled: old spellings, what a value cannot be, and how help writes them.

Old spellings work for one release, with a note, and no help shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from typer.core import TyperCommand

from camstream import starting
from camstream.console import note
from camstream.web import place

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

# Command -> {option whose value may be left out: (what tells a value from another word, the value)}.
_OPTIONAL = {"live": {"--web": (place.is_place, place.USUAL)}}


class Command(TyperCommand):
    """A command that takes the old spellings of its options as well."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        """Leave out of the help what tells nothing: that a flag is a <bool>, a word a <str>."""
        super().__init__(*args, **attributes)
        for param in self.params:
            hide_type(param)

    def get_help_option(self, ctx: Any) -> Any:
        """Return ``--help``, as every other flag."""
        return hide_type(super().get_help_option(ctx))

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
        self._fill_in(args)
        end = args.index("--") if "--" in args else len(args)
        self._check_values(ctx, args[:end])
        return super().parse_args(ctx, args)

    def _fill_in(self, args: list[str]) -> None:
        """Give an option its usual value where none follows: "--web clip.mp4" names a clip."""
        for option, (is_value, usual) in _OPTIONAL.get(self.name or "", {}).items():
            end = args.index("--") if "--" in args else len(args)
            for index in reversed([n for n, word in enumerate(args[:end]) if word == option]):
                follows = args[index + 1 : index + 2]
                has_value = bool(follows) and index + 1 < end and is_value(follows[0])
                args[index : index + 1 + has_value] = [
                    f"{option}={follows[0] if has_value else usual}"
                ]

    def _check_values(self, ctx: Any, args: list[str]) -> None:
        """Find values that were forgotten: ``--contrast cat -o x.mp4`` does not ask for "-o"."""
        options = {
            spelling: param
            for param in self.params
            if param.param_type_name == "option"
            for spelling in (*param.opts, *param.secondary_opts)
        }
        words = iter(args)
        for word in words:
            option: Any = options.get(word)
            if option is None or option.is_flag:
                continue
            for value in islice(words, option.nargs):
                if value in options:
                    wanted = option.metavar or "a value"
                    ctx.fail(f"{word} needs {wanted}, but the option {value} follows")

    def invoke(self, ctx: Any) -> Any:
        """Run the command; from here on Ctrl-C lets it clean up."""
        starting.end()
        return super().invoke(ctx)


def hide_type(param: Any) -> Any:
    """Make the help of a flag or of an argument name no type, unless that is a choice of words."""
    if getattr(param, "is_flag", False):
        param.metavar = ""
    elif param is not None and param.param_type_name == "argument":
        shown = param.display_type_rich
        param.display_type_rich = lambda ctx: text if "|" in (text := shown(ctx) or "") else None
    return param
