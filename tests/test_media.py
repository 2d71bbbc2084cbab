"""Photos that cannot be read: one line, without what an address may hold."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from camstream.errors import NotFoundError, SourceError
from camstream.media import read_photo


@pytest.mark.parametrize(
    "name", ["missing.jpg", "user:s3cret@host/x.jpg", "rtsp:/user:s3cret@host/x.jpg"]
)
def test_a_photo_that_is_not_there_is_named_without_secrets(name: str) -> None:
    with pytest.raises(NotFoundError, match="there is no such file") as caught:
        read_photo(Path(name))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no photo", b"\xff\xd8\xff\xe0 cut off"])
def test_what_is_no_photo_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "in.jpg").write_bytes(content)
    with pytest.raises(SourceError, match="it is not a photo of a kind that OpenCV reads"):
        read_photo(tmp_path / "in.jpg")


@pytest.mark.parametrize("size", [2**31 - 1, 2**31, 5000])
def test_a_png_that_asks_for_more_than_it_is_never_reaches_the_decoder(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV makes room for 2 GB where a chunk says that it is so long."""
    coded = cv2.imencode(".png", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
    (tmp_path / "whole.png").write_bytes(coded)
    assert read_photo(tmp_path / "whole.png").shape == (48, 64, 3)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    (tmp_path / "in.png").write_bytes(coded[:33] + size.to_bytes(4) + coded[37:])
    (tmp_path / "cut.png").write_bytes(coded[:-12])
    for name in ("in.png", "cut.png"):
        with pytest.raises(SourceError, match=f"cannot read [^ ]*{name}: it is not a photo"):
            read_photo(tmp_path / name)


@pytest.mark.parametrize("name", ["a" * 300 + ".jpg", "a\0b.jpg", "."])
def test_a_name_that_no_photo_can_have_is_one_line(name: str) -> None:
    with pytest.raises(SourceError, match="cannot read "):
        read_photo(Path(name))
