"""Small disks, which get full and read-only; they take root's rights on Linux."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


class Disk:
    """A file system in memory.

    Attributes:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def mount(self, *options: str) -> bool:
        """Mount it, or mount it again; returns whether that worked."""
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(self.path)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def leave(self, free: int) -> None:
        """Fill it, up to some bytes."""
        left = shutil.disk_usage(self.path).free - free
        (self.path / "ballast").write_bytes(bytes(left))

    def empty(self) -> None:
        """Remove what fills it."""
        (self.path / "ballast").unlink()

    def set_read_only(self, is_read_only: bool) -> None:
        """Let nobody write, or everybody again."""
        assert self.mount("remount", "ro" if is_read_only else "rw")


@contextlib.contextmanager
def small_disk(path: Path, *, size: int) -> Iterator[Disk]:
    """Mount a disk of some bytes in a new folder; skips the test where that is impossible."""
    if not sys.platform.startswith("linux"):
        pytest.skip("small disks are made on Linux only")
    disk = Disk(path)
    path.mkdir()
    if not disk.mount(f"size={size}"):
        pytest.skip("only root can mount a disk")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
