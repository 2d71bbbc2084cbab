"""One annotated picture as a photo: JPEG, PNG, WebP, TIFF or BMP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2

from camstream.errors import SinkError
from camstream.frame import Annotated
from camstream.picture import Picture
from camstream.sinks.atomic_file import AtomicFile

_OPTIONS = {
    ".jpg": (cv2.IMWRITE_JPEG_QUALITY, 95),
    ".jpeg": (cv2.IMWRITE_JPEG_QUALITY, 95),
    ".webp": (cv2.IMWRITE_WEBP_QUALITY, 95),
}


class PhotoFile:
    """Writes the one frame of a photo.

    Attributes:
        target: The file's name after ``finish``.
        warnings: Empty: a photo holds all that a picture has.
        is_whole: Of no meaning for a photo.
    """

    def __init__(
        self,
        target: Path,
        *,
        overwrite: bool = False,
        inputs: Sequence[Path] = (),
    ) -> None:
        """Check that the file may be written.

        Args:
            target: Its suffix says which format.
            overwrite: Whether an existing file may be replaced.
            inputs: Files that must never be replaced.

        Raises:
            SinkError: It may not be written.
        """
        self._atomic_file = AtomicFile(target, overwrite=overwrite, inputs=inputs)
        self._is_written = False
        self.target = target
        self.warnings: list[str] = []
        self.is_whole = True

    def write(self, annotated: Annotated) -> None:
        """Write an annotated frame's picture, see ``write_picture``."""
        self.write_picture(annotated.picture)

    def write_picture(self, picture: Picture) -> None:
        """Write the picture.

        Raises:
            SinkError: It cannot be written, or there is one already.
        """
        if self._is_written:
            raise SinkError(
                f"cannot write {self.target}: a photo holds one picture; for a clip give a name "
                "that ends in .mp4 or .gif"
            )
        suffix = self.target.suffix.lower()
        with self._atomic_file.writing():
            try:
                coded = cv2.imencode(suffix, picture.bgr(), _OPTIONS.get(suffix, ()))[1]
            except cv2.error as error:  # such as a picture too large for the format
                raise SinkError(
                    f"cannot write {self.target}: {suffix} cannot hold a picture of "
                    "{}x{}".format(*picture.size_wh)
                ) from error
            self._atomic_file.path.write_bytes(coded.tobytes())
        self._is_written = True

    def finish(self) -> None:
        """Give the file its name.

        Raises:
            SinkError: It cannot be written, or there was no picture.
        """
        if not self._is_written:
            self.discard()
            raise SinkError(f"{self.target} was not written: there was not one frame")
        self._atomic_file.commit()

    def keep(self) -> Path | None:
        """Give the file a name after an error; returns it, None where there is no picture."""
        if not self._is_written or self._atomic_file.is_done:
            self.discard()
            return None
        return self._atomic_file.keep()

    def discard(self) -> None:
        """Remove the file."""
        self._atomic_file.discard()
