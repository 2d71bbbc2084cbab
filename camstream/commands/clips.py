"""The clips that come with camstream, and how to show a result."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

from camstream.errors import SetupError


def sample_clip(name: Literal["sample", "people"] = "sample") -> Path:
    """Find a clip of the project, in an installed package or in a clone.

    Raises:
        SetupError: It is in neither.
    """
    here = Path(__file__).parents[1]
    for folder in (here / "_videos", here.parent / "videos"):
        if (folder / f"{name}.mp4").is_file():
            return folder / f"{name}.mp4"
    raise SetupError(f"the clip videos/{name}.mp4 is missing from this installation")


def count_right(records: Path, truth: Path) -> tuple[int, int]:
    """Compare what was shown of the clip with people with who was there.

    Args:
        records: JSON lines of the annotated clip, by the model ``person``.
        truth: ``people.csv``; frames in which somebody is entering or leaving do not count.

    Returns:
        How many frames are right, of how many.
    """
    lines = records.read_text(encoding="utf-8").splitlines()
    with truth.open(newline="", encoding="utf-8") as file:
        wanted = [row["is_present"] for row in csv.DictReader(file)]
    pairs = [
        (json.loads(line)["displayed"][0]["label"] == "person", present == "1")
        for line, present in zip(lines, wanted, strict=False)
        if present
    ]
    return sum(seen == there for seen, there in pairs), len(pairs)


def open_file(path: Path) -> None:
    """Open a file with the desktop's own player, where there is a desktop."""
    if sys.platform == "win32":
        os.startfile(path)
        return
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    has_desktop = sys.platform == "darwin" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    if has_desktop and shutil.which(opener):
        quiet = subprocess.DEVNULL
        subprocess.Popen([opener, str(path)], stdin=quiet, stdout=quiet, stderr=quiet)
