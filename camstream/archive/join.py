"""Joins what parts of a video have told of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from camstream.archive.read import Facts
from camstream.sinks.atomic_file import plain_reasons


def joined(parts: Sequence[Facts]) -> Facts:
    """Return what is known of a video whose parts are these, in order."""
    warnings = dict.fromkeys(warning for part in parts for warning in part.warnings)
    first, last = parts[0], parts[-1]
    sized = next((part for part in parts if part.width), first)
    return Facts(
        decoded=sum(part.decoded for part in parts),
        end_s=last.end_s,
        rate_hz=first.rate_hz,
        width=sized.width,
        height=sized.height,
        warnings=tuple(warnings),
        turned=first.turned,
    )


def join_maps(parts: Sequence[Path], offsets: Sequence[int], target: Path) -> None:
    """Join files of maps, see ``camstream.sinks.arrays``.

    Args:
        parts: In order.
        offsets: The number of frames before each.
        target: The file to write.

    Raises:
        SinkError: It cannot be written.
    """
    loaded = []
    for path in parts:
        with plain_reasons(path), np.load(path) as file:
            loaded.append({name: file[name] for name in file.files})
    for arrays, offset in zip(loaded, offsets, strict=True):
        arrays["index"] = arrays["index"] + offset
    filled = [arrays for arrays in loaded if len(arrays["index"])] or loaded[:1]
    whole = {
        name: np.concatenate([arrays[name] for arrays in filled])
        if first.ndim and name != "labels"
        else first
        for name, first in filled[0].items()
    }
    with plain_reasons(target):
        np.savez_compressed(target, **whole)  # type: ignore[arg-type]
