"""Pictures and films whose frames carry EXIF: read, and turned upright as it says."""

from __future__ import annotations

import contextlib
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av import VideoFrame
from numpy.typing import NDArray

from camstream.sources.file import FileSource
from tests.clips import numbered

SIZE_WH = (160, 96)
PHOTO = numbered(5, SIZE_WH)
# Orientation of the TIFF standard -> how the upright picture is made from the coded one.
TURNS = {
    1: lambda coded: coded,
    2: lambda coded: coded[:, ::-1],
    3: lambda coded: coded[::-1, ::-1],
    5: lambda coded: coded.transpose(1, 0, 2),
    6: lambda coded: np.rot90(coded, -1),
    8: lambda coded: np.rot90(coded, 1),
}


def exif(orientation: int) -> bytes:
    """A block of EXIF with this tag alone."""
    tag = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"II*\0" + struct.pack("<IH", 8, 1) + tag + struct.pack("<I", 0)


def jpeg(orientation: int) -> bytes:
    data = cv2.imencode(".jpg", PHOTO, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    block = b"Exif\0\0" + exif(orientation)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]


def tiff(orientation: int) -> bytes:
    """An uncompressed RGB picture: each tag is number, type, count, value."""
    pixels = np.ascontiguousarray(PHOTO[..., ::-1]).tobytes()
    width, height = SIZE_WH
    bits_at = 8 + len(pixels)
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, bits_at), (259, 3, 1, 1)]
    tags += [(262, 3, 1, 2), (273, 4, 1, 8), (274, 3, 1, orientation), (277, 3, 1, 3)]
    tags += [(278, 3, 1, height), (279, 4, 1, len(pixels))]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    head = b"II*\0" + struct.pack("<I", bits_at + 6)
    return head + pixels + struct.pack("<HHH", 8, 8, 8) + directory


def photo(path: Path, orientation: int) -> Path:
    """Write a photo with EXIF, of the kind that its suffix says."""
    if made := {".jpg": jpeg, ".tif": tiff}.get(path.suffix):
        path.write_bytes(made(orientation))
        return path
    block = np.frombuffer(exif(orientation), np.uint8)
    kinds = [cv2.IMAGE_METADATA_EXIF]
    done, data = cv2.imencodeWithMetadata(path.suffix, PHOTO, kinds, [block])
    assert done
    path.write_bytes(data.tobytes())
    return path


def film(path: Path, orientation: int) -> Path:
    """Write a film whose frames are such JPEGs, each a packet."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE_WH, "yuvj420p"
        for number in range(4):
            packet: av.Packet[Any] = av.Packet(jpeg(orientation))
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = number
            packet.is_keyframe = True
            container.mux(packet)
    return path


def read(path: Path) -> list[NDArray[np.uint8]]:
    with contextlib.closing(FileSource(path)) as source:
        return [frame.picture.bgr() for frame in source]


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_a_photo_with_exif_is_upright(suffix: str, orientation: int, tmp_path: Path) -> None:
    """It was "31 is not a valid Type"."""
    (image,) = read(photo(tmp_path / f"in{suffix}", orientation))
    wanted = TURNS[orientation](PHOTO)
    assert image.shape == wanted.shape
    assert float(np.abs(image.astype(int) - wanted).mean()) < 5


@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
def test_a_film_of_jpegs_with_exif_is_upright(suffix: str, tmp_path: Path) -> None:
    images = read(film(tmp_path / f"in{suffix}", 6))
    assert [image.shape for image in images] == [(160, 96, 3)] * 4
    wanted = TURNS[6](PHOTO)
    assert float(np.abs(images[0].astype(int) - wanted).mean()) < 5


def test_side_data_of_a_frame_with_exif_can_be_read(tmp_path: Path) -> None:
    with av.open(str(photo(tmp_path / "in.jpg", 6))) as container:
        frame = next(container.decode(video=0))
    assert isinstance(frame, VideoFrame)
    assert frame.side_data.get("DISPLAYMATRIX") is not None
    assert len(frame.side_data) >= 2
