"""A child whose cases go wrong on purpose, each in its way: so that the runner itself is tested."""

from __future__ import annotations

import ctypes
import time
from pathlib import Path
from random import Random
from typing import Any

from camstream import commands
from tests.fuzz import cases, child

WAYS = (
    "worked",
    "traceback",
    "hang",
    "memory",
    "crash",
    "silent",
    "escapes",
    "leftover",
    "threads",
)


def misbehave(prog_name: str) -> None:  # noqa: ARG001
    """Take the place of the command line."""
    import sys
    import threading

    match sys.argv[1]:
        case "traceback":
            raise ValueError("not caught")
        case "hang":
            time.sleep(60)
        case "memory":
            kept = []
            while True:
                kept.append(bytearray(b"x") * 10**7)
                time.sleep(0.005)
        case "crash":
            ctypes.string_at(0)
        case "silent":
            sys.exit(1)
        case "escapes":
            print("camstream: \x1b[31mred")
        case "leftover":
            Path("clip.partial-1.mp4").touch()
        case "threads":
            threading.Thread(target=time.sleep, args=[8], daemon=True).start()


def _prepare(way: str) -> Any:
    def prepare(_: Random, __: Path, ___: Path) -> list[str]:
        return [way]

    return prepare


if __name__ == "__main__":
    cases.GROUPS.update({way: _prepare(way) for way in WAYS})
    commands.app = misbehave  # type: ignore[assignment]
    child.main()
