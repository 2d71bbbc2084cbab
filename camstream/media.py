"""What counts as a video or a photo, and the one way to read a photo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camstream.address import shown
from camstream.errors import NotFoundError, SourceError, first_line
from camstream.picture import ImageU8

_PNG = b"\x89PNG\r\n\x1a\n"
_CHUNK_HEAD, _CHUNK_TAIL = 8, 4  # bytes: length and kind before, a check sum behind

PHOTO_SUFFIXES = frozenset([".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"])
VIDEO_SUFFIXES = frozenset(
    [
        ".3gp",
        ".avi",
        ".flv",
        ".gif",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".ogv",
        ".ts",
        ".webm",
        ".wmv",
    ]
)


def read_photo(path: Path, *, is_grey: bool = False) -> ImageU8:
    """Read a photo, turned upright and reduced to 8 bits a colour.

    Args:
        path: Any name that the file system allows.
        is_grey: Whether only its brightness is wanted.

    Returns:
        (H, W, 3) uint8 BGR; (H, W) uint8 where it is grey.

    Raises:
        NotFoundError: There is no such file.
        SourceError: It cannot be read.
    """
    try:
        coded = np.fromfile(path, np.uint8)  # cv2.imread takes no name outside the code page
        is_readable = coded.size > 0 and (coded[:8].tobytes() != _PNG or _is_whole_png(coded))
        mode = cv2.IMREAD_GRAYSCALE if is_grey else cv2.IMREAD_COLOR
        image = cv2.imdecode(coded, mode) if is_readable else None
    except FileNotFoundError as error:
        raise NotFoundError(f"cannot read {shown(path)}: there is no such file") from error
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise SourceError(f"cannot read {shown(path)}: {first_line(error)}") from error
    except cv2.error as error:
        raise SourceError(f"cannot read {shown(path)}: it is damaged, or far too large") from error
    if image is None:
        raise SourceError(f"cannot read {path}: it is not a photo of a kind that OpenCV reads")
    return np.asarray(image, np.uint8)


def _is_whole_png(coded: NDArray[np.uint8]) -> bool:
    """Whether each chunk of a PNG file lies within it, up to the last one.

    OpenCV makes room for what a chunk says of its own length, 2 GB, before it looks whether it is
    there; and it reads no file that is cut off.
    """
    place = len(_PNG)
    while place + _CHUNK_HEAD <= len(coded):
        if coded[place + 4 : place + 8].tobytes() == b"IEND":
            return True
        place += _CHUNK_HEAD + int.from_bytes(coded[place : place + 4].tobytes()) + _CHUNK_TAIL
    return False


def to_image(image: Any) -> ImageU8:
    """Turn what a program may hold into an image.

    Args:
        image: The path of a photo; an array of uint8, (H, W, 3) BGR, (H, W, 4) BGRA, or (H, W)
            or (H, W, 1) grey; or a PIL image of any mode. Transparency is left out.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        SourceError: The photo cannot be read.
        ValueError: It is something else.
    """
    if isinstance(image, str | Path):
        return read_photo(Path(image))
    if isinstance(image, np.ndarray):
        return _to_three_channels(image)
    if hasattr(image, "convert") and hasattr(image, "getexif"):  # PIL, which need not be installed
        try:
            pixels = np.asarray(image.convert("RGB"), np.uint8)
        except OSError as error:  # PIL reads the file only now
            raise SourceError(f"cannot read the PIL image: {error}") from error
        return np.ascontiguousarray(pixels[..., ::-1])
    if image is None:
        raise ValueError("no image: did cv2.imread find the file?")
    raise ValueError(
        f"an image is a path, an (H, W, 3) uint8 BGR array or a PIL image, not {type(image).__name__}"
    )


def _to_three_channels(image: ImageU8) -> ImageU8:
    """Make BGR of grey and of BGRA; what is neither is returned as it is."""
    if image.dtype != np.uint8 or not image.size:
        return image
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        return np.ascontiguousarray(
            np.broadcast_to(image.reshape(*image.shape[:2], 1), (*image.shape[:2], 3))
        )
    if image.ndim == 3 and image.shape[2] == 4:
        return np.ascontiguousarray(image[..., :3])
    return image
