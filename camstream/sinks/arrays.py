"""The raw maps of a run as one NPZ file, for ``np.load`` without pickle.

    index         (T,) int64        the frame's number in its source
    pts_s         (T,) float64      media time, seconds
    size_wh       (T, 2) int32      width and height of the frame, pixels
    maps          (T, K, h, w) float16   raw maps, logit units
    maps_khw      (T, 3) int32      the part of ``maps[t]`` that is filled: [:k, :h, :w]
    class_indices (T, K) int64      the class of each map
    bias          (T, K) float32    the classifier's bias of each class
    labels        (C,) text         the name of every class: labels[class_indices[t, k]]
    method, geometry  ()   text     how the maps were made; which part of the frame a cell covers

T is the number of frames. All frames of a video file have maps of one shape. Where a live source
changes its size, or the classes are changed, ``maps`` has the largest shape, and what a frame does
not fill is NaN, with class index -1 and bias NaN.

mean(maps[t, k, :h, :w]) + bias[t, k] is the class's logit, to float16's half a thousandth, where
the method is CAM or HiResCAM.

During the run the maps lie in a nameless temporary file beside the target, 0.9 KB a frame for five
maps of 7 x 13 cells; 100 bytes a frame are kept in memory (11 MB an hour at 30 frames/s).
"""

from __future__ import annotations

import contextlib
import math
import tempfile
import zipfile
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from camstream.errors import SinkError
from camstream.frame import Annotated
from camstream.sinks.atomic_file import AtomicFile

GEOMETRY = (
    "cell (row, col) of a map of h x w cells covers the frame's rectangle from x = col * width / w, "
    "y = row * height / h to x = (col + 1) * width / w, y = (row + 1) * height / h, in pixels from "
    "the top left corner of the first one; its value belongs to the rectangle's centre"
)
MAPS_SUFFIX = ".npz"


class MapsFile:
    """Writes the maps of each annotated frame."""

    def __init__(
        self,
        path: Path,
        labels: Sequence[str],
        *,
        overwrite: bool,
        inputs: Sequence[Path] = (),
        once: bool = False,
    ) -> None:
        """Open a temporary file beside the target.

        Args:
            path: The file to be, NAME.npz.
            labels: One name a class, in the order of the logits.
            overwrite: Whether an existing file may be replaced.
            inputs: Files that must never be replaced.
            once: The run cannot be repeated, see ``AtomicFile``.

        Raises:
            SinkError: The file cannot be written.
        """
        if path.suffix.lower() != MAPS_SUFFIX:
            raise SinkError(f"cannot write {path}: maps are written to a {MAPS_SUFFIX} file")
        self._atomic_file = AtomicFile(path, overwrite=overwrite, inputs=inputs, once=once)
        self._labels = labels
        self._method = ""
        self._index, self._pts_s = array("q"), array("d")
        self._sizes, self._shapes = array("i"), array("i")
        self._classes, self._biases = array("q"), array("f")
        with self._atomic_file.writing():
            self._raw: IO[bytes] = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115

    def write(self, annotated: Annotated) -> None:
        """Write one frame's maps.

        Raises:
            SinkError: They cannot be written.
        """
        prediction, cam = annotated.prediction, annotated.prediction.cam
        with np.errstate(over="ignore"):  # values beyond 65504 become infinite
            half = cam.maps.astype(np.float16)
        with self._atomic_file.writing():
            self._raw.write(half.tobytes())
        self._method = self._method or cam.method
        self._index.append(prediction.frame.index)
        self._pts_s.append(prediction.frame.pts_s)
        self._sizes.extend(prediction.frame.picture.size_wh)
        self._shapes.extend(cam.maps.shape)
        self._classes.extend(cam.class_indices.tolist())
        self._biases.extend(cam.bias.tolist())

    def finish(self) -> None:
        """Put the arrays together and give the file its name.

        Raises:
            SinkError: That is impossible.
        """
        self._put_together()
        self._atomic_file.commit()

    def keep(self) -> Path | None:
        """Put the arrays of the frames so far together, after an error; without one, remove them.

        Returns:
            The file's name, None where it was removed.
        """
        try:
            if self._index and not self._atomic_file.is_done:
                self._put_together()
                return self._atomic_file.keep()
        except SinkError:  # there is no room for the copy that this needs
            pass
        self.discard()
        return None

    def discard(self) -> None:
        """Remove what was written."""
        # Closing writes what is buffered, which fails again where the disk is full.
        with contextlib.suppress(OSError):
            self._raw.close()
        self._atomic_file.discard()

    def _put_together(self) -> None:
        with self._atomic_file.writing():
            self._raw.seek(0)
            with zipfile.ZipFile(self._atomic_file.path, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, values in self._small().items():
                    with archive.open(f"{name}.npy", "w") as member:
                        np.lib.format.write_array(member, values, allow_pickle=False)
                with archive.open("maps.npy", "w", force_zip64=True) as member:
                    self._copy_maps(member)
            self._raw.close()

    @property
    def _khw(self) -> np.ndarray[Any, np.dtype[np.int32]]:
        return np.array(self._shapes, np.int32).reshape(-1, 3)

    def _small(self) -> dict[str, np.ndarray[Any, Any]]:
        """Every array but the maps."""
        khw = self._khw
        filled = np.arange(khw[:, 0].max(initial=0)) < khw[:, :1]  # (T, K)
        classes = np.full(filled.shape, -1, np.int64)
        classes[filled] = self._classes
        bias = np.full(filled.shape, np.nan, np.float32)
        bias[filled] = self._biases
        return {
            "index": np.array(self._index),
            "pts_s": np.array(self._pts_s),
            "size_wh": np.array(self._sizes, np.int32).reshape(-1, 2),
            "maps_khw": khw,
            "class_indices": classes,
            "bias": bias,
            "labels": np.array(self._labels, np.str_),
            "method": np.array(self._method),
            "geometry": np.array(GEOMETRY),
        }

    def _copy_maps(self, member: IO[bytes]) -> None:
        """Copy the raw maps behind an array's header, each filled up to the largest shape."""
        khw = self._khw
        largest = tuple(int(side) for side in khw.max(axis=0, initial=0))
        header = {"descr": "<f2", "fortran_order": False, "shape": (len(khw), *largest)}
        np.lib.format.write_array_header_1_0(member, header)
        if (khw == largest).all():
            # Not to the file's end: the frame of a failed write may be there in part.
            for _ in khw:
                member.write(self._raw.read(2 * math.prod(largest)))
            return
        for k, h, w in khw.tolist():
            full = np.full(largest, np.nan, "<f2")
            maps = np.frombuffer(self._raw.read(2 * k * h * w), "<f2")
            full[:k, :h, :w] = maps.reshape(k, h, w)
            member.write(full.tobytes())
