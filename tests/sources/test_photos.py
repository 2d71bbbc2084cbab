"""Photos that are looked through."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from camstream.errors import SourceError
from camstream.frame import Frame
from camstream.sources.photos import Album
from camstream.sources.play import open_live

SIZES = [(40, 30), (64, 48), (20, 60)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, (width, height) in enumerate(SIZES):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((height, width, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("no photo")
    return tmp_path


def _sizes(frames: list[Frame]) -> list[tuple[int, int]]:
    return [frame.picture.size_wh for frame in frames]


def test_a_folder_is_looked_through_by_steps(folder: Path) -> None:
    album = open_live(str(folder), stays=True)
    assert isinstance(album, Album)
    frames = iter(album)
    came = [next(frames)]
    album.skip(5)
    came.append(next(frames))
    album.step(1)
    came.append(next(frames))
    album.skip(-5)
    came.append(next(frames))
    assert _sizes(came) == [SIZES[0], SIZES[1], SIZES[2], SIZES[1]]
    album.seek(1e9)
    assert next(frames).picture.size_wh == SIZES[2]
    album.step(1)  # after the last one is none: it stays
    assert next(frames).picture.size_wh == SIZES[2]
    album.loop(True)
    album.step(1)
    assert next(frames).picture.size_wh == SIZES[0]
    assert (album.player.position, album.player.length) == (0, 2)
    album.stop()
    assert list(frames) == []


def test_without_a_window_every_photo_comes_once(folder: Path) -> None:
    album = open_live(str(folder))
    assert not album.is_live
    assert _sizes(list(album)) == SIZES


def test_times_lie_so_far_apart_that_nothing_is_smoothed_from_photo_to_photo(folder: Path) -> None:
    times = [frame.pts_s for frame in open_live(str(folder))]
    assert min(np.diff(times)) > 10


def test_a_photo_that_cannot_be_read_is_said_and_passed(folder: Path) -> None:
    (folder / "0.png").write_bytes(b"damaged")
    (folder / "1.png").write_bytes(b"damaged")
    album = open_live(str(folder), stays=True)
    frames = iter(album)
    assert next(frames).picture.size_wh == SIZES[2]
    assert isinstance(album, Album)
    album.step(-1)
    waiting = threading.Thread(target=lambda: next(frames, None))
    waiting.start()
    while "1.png" not in album.state:
        waiting.join(0.01)
    album.stop()
    waiting.join(10)
    assert not waiting.is_alive()


def test_not_one_photo_that_can_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"damaged")
    with pytest.raises(SourceError, match=r"0\.png"):
        list(open_live(str(tmp_path / "0.png"), stays=True))
    (tmp_path / "0.png").unlink()
    with pytest.raises(SourceError, match="there is no photo and no video file"):
        open_live(str(tmp_path))
