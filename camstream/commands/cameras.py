"""Finds the cameras of this machine, by its own means on each system."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2

_MAX_CAMERAS = 8
_MAX_TRIED = 4  # numbers that are opened where the system has no list
_TIMEOUT_S = 15
_OF_WINDOWS = (
    "Get-CimInstance Win32_PnPEntity | Where-Object {$_.PNPClass -in 'Camera','Image'} | "
    "ForEach-Object {$_.Name}"
)


def find() -> tuple[list[str], list[str]]:
    """Find cameras: those that may be opened, and those that this user may not open.

    Returns:
        What is displayed of each: a device, or a name as the system has it, in the system's order.
    """
    if sys.platform == "linux":
        devices = sorted(map(str, Path("/dev").glob("video*")))[:_MAX_CAMERAS]
        denied = [device for device in devices if not os.access(device, os.R_OK | os.W_OK)]
        return [device for device in devices if device not in denied], denied
    if sys.platform == "darwin":
        named = _of_macos(_ask("system_profiler", "-json", "SPCameraDataType"))
    else:
        shell = "powershell"
        named = _lines(_ask(shell, "-NoProfile", "-NonInteractive", "-Command", _OF_WINDOWS))
    return named or tried(), []


def tried() -> list[str]:
    """Open the first numbers, where the system does not tell its cameras."""
    found = []
    for number in range(_MAX_TRIED):
        capture = cv2.VideoCapture(number)
        if capture.isOpened():
            found.append(f"camera {number}")
        capture.release()
    return found


def _ask(*command: str) -> str:
    """Return what a program of the system prints; nothing where it cannot be run."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _of_macos(text: str) -> list[str]:
    try:
        entries = json.loads(text).get("SPCameraDataType", [])
        names = [str(entry["_name"]) for entry in entries]
    except (ValueError, AttributeError, KeyError, TypeError):
        return []
    return [f"{number} ({name})" for number, name in enumerate(names)]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()][:_MAX_CAMERAS]
