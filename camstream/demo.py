"""The sample clip, and how to show a result."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from camstream.errors import SetupError


def sample_clip() -> Path:
    """Find the sample clip, in an installed package or in a clone.

    Raises:
        SetupError: It is in neither.
    """
    here = Path(__file__).parent
    for folder in (here / "_videos", here.parent / "videos"):
        if (folder / "sample.mp4").is_file():
            return folder / "sample.mp4"
    raise SetupError("the sample clip videos/sample.mp4 is missing from this installation")


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
