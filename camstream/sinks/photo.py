"""One annotated picture as a photo: JPEG, PNG, WebP, TIFF or BMP."""

from __future__ import annotations

import cv2

from camstream.errors import SinkError
from camstream.picture import Picture
from camstream.sinks.picture_file import PictureFile

_OPTIONS = {
    ".jpg": (cv2.IMWRITE_JPEG_QUALITY, 95),
    ".jpeg": (cv2.IMWRITE_JPEG_QUALITY, 95),
    ".webp": (cv2.IMWRITE_WEBP_QUALITY, 95),
}


class PhotoFile(PictureFile):
    """Writes the one frame of a photo; of its attributes, ``is_whole`` has no meaning."""

    def write_picture(self, picture: Picture) -> None:
        """Write the picture.

        Raises:
            SinkError: It cannot be written, or there is one already.
        """
        if self.frames:
            raise SinkError(
                f"cannot write {self.target}: a photo holds one picture; for a clip give a name "
                "that ends in .mp4 or .gif"
            )
        suffix = self.target.suffix.lower()
        with self._writing():
            try:
                coded = cv2.imencode(suffix, picture.bgr(), _OPTIONS.get(suffix, ()))[1]
            except cv2.error as error:  # such as a picture too large for the format
                raise SinkError(
                    f"cannot write {self.target}: {suffix} cannot hold a picture of "
                    "{}x{}".format(*picture.size_wh)
                ) from error
            self._atomic_file.path.write_bytes(coded.tobytes())
        self.frames += 1

    def _end(self) -> None:
        """Nothing is left to write."""

    def _rescue(self) -> bool:
        return self.frames > 0

    def _close(self) -> None:
        """Nothing is open."""
