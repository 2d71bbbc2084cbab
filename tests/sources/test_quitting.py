"""Ctrl-C while a server hangs: the command ends at once, with the code that a shell expects."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from tests.clips import numbered
from tests.servers import answering, part_of_mjpeg, silence

JPEG = cv2.imencode(".jpg", numbered(7))[1].tobytes()
COMMAND = [sys.executable, "-P", "-m", "camstream", "live", "--no-window", "--device", "cpu", "-m"]


def start(model: Path, address: str, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, str(model), address, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def interrupted(process: subprocess.Popen[str]) -> tuple[str, str, float]:
    """Send SIGINT; returns what was printed to stdout and stderr, and the seconds until the end."""
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    return out, err, time.monotonic() - started


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_sigint_while_a_server_never_answers(scheme: str, tiny_path: Path) -> None:
    with answering(silence) as server:
        process = start(tiny_path, f"{scheme}://user:s3cret@127.0.0.1:{server.port}/x")
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        said = next((line for line in lines if "still opening" in line), "")
        out, err, took_s = interrupted(process)
    assert f"still opening {scheme}://127.0.0.1:{server.port}" in said
    assert process.returncode == 130
    assert (out, err) == ("", "")
    assert took_s < 2


def test_sigint_while_a_stream_says_nothing_more(tiny_path: Path, tmp_path: Path) -> None:
    """It waited for the read, which gave up after 5 s."""
    records = tmp_path / "r.jsonl"
    with answering(part_of_mjpeg(JPEG, 9)) as server:
        address = f"http://user:s3cret@127.0.0.1:{server.port}/x"
        process = start(tiny_path, address, "--records", str(records), "--smooth", "off")
        deadline = time.monotonic() + 30
        while server.count == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.0)  # all pictures have come; the read hangs
        out, err, took_s = interrupted(process)
    assert process.returncode == 130
    assert "frames shown" in out
    assert "Traceback" not in err
    assert "s3cret" not in out + err
    assert took_s < 2
    assert records.exists()
