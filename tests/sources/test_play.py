"""What ``camstream live`` is given: one thing, several, a folder, a glob or a list."""

from __future__ import annotations

import contextlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from camstream.errors import NotFoundError
from camstream.sources.photos import Album
from camstream.sources.play import open_live
from camstream.sources.player import Player
from tests.clips import Video, make, read_number


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two clips and a list of them, and a folder of two photos."""
    for name in ("a", "b"):
        make(tmp_path / f"{name}.mp4", Video(frames=3))
    (tmp_path / "all.txt").write_text("# both\n\nb.mp4\na.mp4\n", encoding="utf-8")
    (tmp_path / "photos").mkdir()
    for name in ("1", "2"):
        assert cv2.imwrite(
            str(tmp_path / "photos" / f"{name}.png"), np.zeros((48, 64, 3), np.uint8)
        )
    return tmp_path


@pytest.mark.parametrize("named", [["a.mp4", "b.mp4"], ["*.mp4"], ["all.txt"]])
def test_several_clips_are_shown_one_after_the_other(named: list[str], folder: Path) -> None:
    with contextlib.closing(open_live([str(folder / one) for one in named], speed=4)) as source:
        frames = list(source)
    assert [read_number(frame.picture.bgr()) for frame in frames] == [0, 1, 2, 0, 1, 2]
    assert [frame.index for frame in frames] == list(range(6))
    times = [frame.pts_s for frame in frames]
    assert times == sorted(set(times))


def test_photos_are_looked_through_and_one_clip_is_played(folder: Path) -> None:
    with contextlib.closing(open_live(str(folder / "photos"))) as album:
        assert isinstance(album, Album)
        assert album.name == "photos"
        assert len(list(album)) == 2
    with contextlib.closing(open_live([str(folder / "a.mp4")], stays=True)) as player:
        assert isinstance(player, Player)


def test_what_is_not_there_is_said(folder: Path) -> None:
    for named in ("none*.mp4", "none.mp4"):
        with pytest.raises(NotFoundError, match=r"no file matches|no such file"):
            open_live(str(folder / named))
