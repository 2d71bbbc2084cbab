"""When a video begins."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from camstream.archive.start_time import find_start


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A clock that is an hour ahead of UTC in winter, and two in summer."""
    if not hasattr(time, "tzset"):
        pytest.skip("this system has no tzset")
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def start(name: str, duration_s: float = 0.0, **metadata: str) -> tuple[str, str]:
    modified = datetime(2025, 5, 6, 7, 8, 9).timestamp()
    found = find_start(name, metadata, modified_s=modified, duration_s=duration_s)
    return found.at.isoformat(" "), found.found_in


def test_the_container_knows_best() -> None:
    name = "2020-01-01_00-00-00.mp4"
    utc = "2026-11-28T22:30:00.123456Z"
    assert start(name, creation_time=utc) == ("2026-11-28 23:30:00.123000", "container, UTC")
    summer = start(name, creation_time="2026-07-01T22:30:00Z")
    assert summer == ("2026-07-02 00:30:00", "container, UTC")
    local = start(name, creation_time="2026-11-28 22:30:00")
    assert local == ("2026-11-28 22:30:00", "container")
    zone = start(name, creation_time="2026-11-28T22:30:00-05:00")
    assert zone == ("2026-11-29 04:30:00", "container")


@pytest.mark.parametrize("nothing", ["1904-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "soon", ""])
def test_a_container_that_was_never_told_the_time_is_not_asked(nothing: str) -> None:
    assert start("2020-01-02_03-04-05.mp4", creation_time=nothing)[1] == "file name"


@pytest.mark.parametrize(
    "name",
    [
        "2026-11-28_22-00-05.mp4",
        "20261128T220005.mkv",
        "gate 2026-11-28 22.00.05 (1).mp4",
        "cam3_20261128220005_7.avi",
        "VID_20261128_220005.mp4",
        "2026_11_28_22_00_05.mp4",
        "front-2026.11.28-22h00m05.mp4",
    ],
)
def test_dates_in_names(name: str) -> None:
    assert start(name) == ("2026-11-28 22:00:05", "file name")


@pytest.mark.parametrize(
    "name",
    [
        "clip.mp4",
        "2026-13-28_22-00-05.mp4",
        "920261128220005.mp4",
        "2026-11-28.mp4",
        "1080p_30.mp4",
    ],
)
def test_without_a_date_the_end_is_when_the_file_was_written_last(name: str) -> None:
    assert start(name, duration_s=9.5) == ("2025-05-06 07:07:59.500000", "file time")


@pytest.mark.parametrize("duration_s", [1e12, 1e300, float("nan"), -5.0])
def test_a_length_that_cannot_be_is_none(duration_s: float) -> None:
    assert start("clip.mkv", duration_s=duration_s) == start("clip.mkv")


def test_a_date_that_cannot_be_is_none() -> None:
    assert start("clip.mkv", creation_time="9999-12-31T23:59:59Z") == start("clip.mkv")


def test_the_clock_changed_while_it_was_recorded() -> None:
    written = datetime.fromisoformat("2026-10-25T04:00:00+01:00").timestamp()
    found = find_start("clip.mkv", {}, modified_s=written, duration_s=6 * 3600)
    assert found.at == datetime(2026, 10, 24, 23)
