"""One picture as it flows through the pipeline: BGR from a camera, YUV 4:2:0 from a file.

A file's pixels never leave YUV on their way from the decoder to the encoder: only where
something is drawn do they change, so colours cannot shift. Whoever draws asks the picture for
its planes and for its own representation of a colour, and need not know which kind it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from av import VideoFrame
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

ImageU8 = NDArray[np.uint8]
MapF32 = NDArray[np.float32]

# AVColorSpace of a frame -> (name for the scaler, Kr, Kb of ITU-T H.273, table 4).
_MATRICES = {
    1: (Colorspace.ITU709, 0.2126, 0.0722),
    4: (Colorspace.FCC, 0.30, 0.11),
    5: (Colorspace.ITU601, 0.299, 0.114),
    6: (Colorspace.ITU601, 0.299, 0.114),
    7: (Colorspace.SMPTE240M, 0.212, 0.087),
    9: (Colorspace.BT2020, 0.2627, 0.0593),
    10: (Colorspace.BT2020, 0.2627, 0.0593),
}
_BT709, _BT601 = 1, 6
# By default the scaler truncates: grey would turn greenish and pictures darken by 2 levels.
_EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP | Interpolation.FULL_CHR_H_INT
_PLANAR_420 = ("yuv420p", "yuvj420p")
# The scaler reads whole vectors, some bytes past a plane's last pixel: where an image of the
# caller's own ended with its memory page, that crashed the process. FFmpeg pads its own frames.
_READ_BEYOND = 64


def _unknown_type(kind: type[Type], value: object) -> Type:
    """Name a type of side data that PyAV does not know, such as EXIF (31), as PyAV 19 does.

    Without it the side data of a frame that has one such type cannot be read at all.
    """
    member: Type = object.__new__(kind)
    member._name_, member._value_ = f"UNKNOWN_{value}", value  # type: ignore[assignment]
    return member


if "_missing_" not in vars(Type):
    Type._missing_ = classmethod(_unknown_type)  # type: ignore[method-assign, assignment]


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a coded picture is turned to be upright: transpose first, then flip."""

    transpose: bool
    flip_x: bool
    flip_y: bool

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation | None:
        """Read the display matrix: (x, y) is shown at (a x + c y, b x + d y).

        Call it for one frame of a stream and not for every one: PyAV's side data and its frame
        hold each other, which keeps the frame's pixels until the garbage collector comes by.

        Returns:
            None where the frame is upright as it is.
        """
        data = frame.side_data.get("DISPLAYMATRIX")
        if data is None:
            return None
        a, b, _, c, d = np.frombuffer(data, np.int32)[:5]  # type: ignore[call-overload]
        transpose = abs(b) > abs(a)
        x_axis, y_axis = (c, b) if transpose else (a, d)
        if not transpose and x_axis >= 0 and y_axis >= 0:
            return None
        return cls(bool(transpose), bool(x_axis < 0), bool(y_axis < 0))

    def apply(self, plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn one plane, (H, W) to (H, W) or (W, H)."""
        plane = plane.T if self.transpose else plane
        return plane[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


@dataclass(frozen=True, slots=True)
class Picture:
    """An upright 8-bit picture.

    Attributes:
        video_frame: Format "bgr24" or "yuv420p"/"yuvj420p". Never written to: it may be the
            decoder's own reference for the frames to come.
    """

    video_frame: VideoFrame

    @classmethod
    def from_bgr(cls, image: ImageU8) -> Picture:
        """Copy an image.

        Args:
            image: (H, W, 3) uint8 BGR.

        Raises:
            ValueError: It is of another shape or type.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(
                f"an image is (H, W, 3) uint8 BGR, this is {image.shape} {image.dtype}"
            )
        padded = np.empty(image.size + _READ_BEYOND, np.uint8)
        own = padded[: image.size].reshape(image.shape)
        np.copyto(own, image)
        return cls(VideoFrame.from_numpy_buffer(own, format="bgr24"))

    @classmethod
    def from_video_frame(
        cls, frame: VideoFrame, *, orientation: Orientation | None = None, even: bool = False
    ) -> Picture:
        """Turn a decoded frame upright and to 8-bit 4:2:0, with its colours' meaning kept.

        Args:
            frame: Any format that FFmpeg decodes to.
            orientation: How to turn it, from ``Orientation.of``; None leaves it as it is.
            even: Extend an odd width or height by repeating the last column or row.
        """
        planar = frame if frame.format.name in _PLANAR_420 else _to_planar(frame)
        odd = even and (frame.width % 2 or frame.height % 2)
        if orientation is None and not odd:
            return cls(planar)
        planes = _views(planar)
        if orientation is not None:
            planes = [orientation.apply(plane) for plane in planes]
        height, width = planes[0].shape
        if even:
            width, height = width + width % 2, height + height % 2
        turned = _like(planar, width, height)
        for view, plane in zip(_views(turned), planes, strict=True):
            missing = [(0, full - has) for full, has in zip(view.shape, plane.shape, strict=True)]
            view[:] = np.pad(plane, missing, mode="edge")
        return cls(turned)

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.video_frame.width, self.video_frame.height

    @property
    def is_bgr(self) -> bool:
        """Whether there is one BGR plane; otherwise there are three, Y, U and V."""
        return self.video_frame.format.name == "bgr24"

    def copy(self) -> Picture:
        """Copy pixels, time and colour tags into a picture that may be drawn on."""
        fresh = _like(self.video_frame, *self.size_wh)
        for to, origin in zip(_views(fresh), _views(self.video_frame), strict=True):
            np.copyto(to, origin)
        return Picture(fresh)

    def blank(self, size_wh: tuple[int, int]) -> Picture:
        """Make a black picture of another size, of the same kind and with the same time."""
        fresh = Picture(_like(self.video_frame, *size_wh))
        black = self.native(np.zeros((1, 1, 3), np.uint8))[0, 0]
        for index, plane in enumerate(fresh.planes()):
            plane[:] = black if plane.ndim == 3 else black[index]
        return fresh

    def planes(self) -> list[ImageU8]:
        """Return views of the pixels.

        Returns:
            [(H, W, 3)] for BGR; [(H, W), (h, w), (h, w)] for YUV, where h and w are half of H and
            W, rounded up.
        """
        return _views(self.video_frame)

    def native(self, bgr: ImageU8) -> ImageU8:
        """Express colours as this picture does, (..., 3) uint8 BGR to (..., 3) BGR or YUV."""
        if self.is_bgr:
            return bgr
        _, kr, kb = _MATRICES[_matrix(self.video_frame)]
        blue, green, red = np.moveaxis(bgr.astype(np.float32), -1, 0)
        luma = kr * red + (1 - kr - kb) * green + kb * blue
        yuv = np.stack([luma, (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)], axis=-1)
        if not _is_full_range(self.video_frame):
            yuv *= np.array([219, 224, 224], np.float32) / 255
            yuv[..., 0] += 16
        yuv[..., 1:] += 128
        rounded: ImageU8 = np.clip(np.rint(yuv), 0, 255).astype(np.uint8)
        return rounded

    def bgr(self, size_wh: tuple[int, int] | None = None, *, is_exact: bool = True) -> ImageU8:
        """Give the whole picture as an image, resized if asked.

        The scaler averages over the area, so that nothing aliases, and reads the planes
        directly, at a fifth of the time of OpenCV's INTER_AREA on a BGR copy.

        Args:
            size_wh: Width and height to stretch it to; None keeps its own.
            is_exact: Whether every value is rounded correctly; for eyes it need not be, and a
                picture of its own size takes a tenth of the time.

        Returns:
            (H, W, 3) uint8 BGR.
        """
        width, height = size_wh or self.size_wh
        rescaled = self._rescaled(width, height, "bgr24", is_exact=is_exact)
        image: ImageU8 = rescaled.to_ndarray()  # type: ignore[assignment]
        return image

    def yuv420(self) -> Picture:
        """Give the picture as BT.709 limited-range YUV 4:2:0, unless it is YUV already."""
        if not self.is_bgr:
            return self
        width, height = self.size_wh
        frame = self._rescaled(width - width % 2, height - height % 2, "yuv420p")
        frame.colorspace, frame.color_range = _BT709, ColorRange.MPEG
        frame.color_primaries = frame.color_trc = _BT709
        return Picture(frame)

    def even(self) -> Picture:
        """Give the picture even sides, as 4:2:0 needs them: the last column or row is repeated."""
        width, height = self.size_wh
        if width % 2 == 0 and height % 2 == 0:
            return self
        if not self.is_bgr:
            return Picture.from_video_frame(self.video_frame, even=True)
        pad = ((0, height % 2), (0, width % 2), (0, 0))
        fresh = Picture.from_bgr(np.pad(self.planes()[0], pad, mode="edge"))
        _keep_time(self.video_frame, fresh.video_frame)
        return fresh

    def resized(self, size_wh: tuple[int, int]) -> Picture:
        """Stretch the picture, in its own kind of planes and with its own time."""
        name = self.video_frame.format.name
        frame = VideoReformatter().reformat(
            self.video_frame, *size_wh, name, interpolation=Interpolation.AREA, threads=1
        )
        _keep_time(self.video_frame, frame)
        return Picture(frame)

    def cropped(self, xyxy: tuple[int, int, int, int]) -> Picture:
        """Copy a part of the picture, in its own kind of planes and with its own time.

        Args:
            xyxy: Left, top, right and bottom, pixels, within the picture. In 4:2:0 the part begins at
                even pixels, so that it may be one pixel larger to the left and above.
        """
        left, top, right, bottom = xyxy
        if not self.is_bgr:
            left, top = left - left % 2, top - top % 2
        part = Picture(_like(self.video_frame, right - left, bottom - top))
        for to, origin in zip(part.planes(), self.planes(), strict=True):
            step = 1 if self.is_bgr or origin.shape[:2] == self.size_wh[::-1] else 2
            rows, columns = to.shape[:2]
            to[:] = origin[top // step :, left // step :][:rows, :columns]
        return part

    def _rescaled(
        self, width: int, height: int, pixel_format: str, *, is_exact: bool = True
    ) -> VideoFrame:
        source = self.video_frame
        matrix = Colorspace.ITU709 if self.is_bgr else _MATRICES[_matrix(source)][0]
        # A scaler of one's own: that of the frame must not be used by two threads at once.
        return VideoReformatter().reformat(
            source,
            width,
            height,
            pixel_format,
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=None if self.is_bgr else _range(source),
            interpolation=Interpolation.AREA | _EXACT if is_exact else Interpolation.AREA,
            threads=1,  # starting more for every picture costs twice the work itself
        )


def fitted(picture: Picture, size_wh: tuple[int, int]) -> Picture:
    """Scale a picture into another size with its shape kept, black beside.

    Args:
        picture: Of even sides.
        size_wh: Width and height, even.
    """
    if picture.size_wh == size_wh:
        return picture
    scale = min(to / has for to, has in zip(size_wh, picture.size_wh, strict=True))
    inner = [
        min(to, max(2, round(has * scale / 2) * 2))
        for to, has in zip(size_wh, picture.size_wh, strict=True)
    ]
    scaled, whole = picture.resized((inner[0], inner[1])), picture.blank(size_wh)
    left, top = ((to - has) // 4 * 2 for to, has in zip(size_wh, inner, strict=True))
    for to, origin in zip(whole.planes(), scaled.planes(), strict=True):
        step = chroma_step(scaled.size_wh, origin)
        rows, columns = origin.shape[:2]
        to[top // step : top // step + rows, left // step : left // step + columns] = origin
    return whole


def chroma_step(size_wh: tuple[int, int], plane: ImageU8) -> int:
    """Return how many pixels of a picture one cell of a plane covers, in each direction.

    Args:
        size_wh: Width and height of the picture.
        plane: One of its planes, or one of the same shape.

    Returns:
        1, or 2 for the colour planes of 4:2:0. Their sides are rounded up, so a whole quotient
        (321 // 161 = 1) would be wrong for odd sides.
    """
    rows, columns = plane.shape[:2]
    return int(max(-(-size_wh[0] // columns), -(-size_wh[1] // rows)))


def _views(frame: VideoFrame) -> list[ImageU8]:
    """Numpy views of a frame's planes, without the padding at the lines' ends."""
    channels = 3 if frame.format.name == "bgr24" else 1
    views: list[ImageU8] = []
    for plane in frame.planes:
        lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
        view = lines[: plane.height, : plane.width * channels]
        views.append(view.reshape(plane.height, plane.width, 3) if channels == 3 else view)
    return views


def _like(frame: VideoFrame, width: int, height: int) -> VideoFrame:
    """Make an empty frame with the time and the colour tags of another."""
    fresh = VideoFrame(width, height, "bgr24" if frame.format.name == "bgr24" else "yuv420p")
    _keep_time(frame, fresh)
    fresh.colorspace, fresh.color_range = frame.colorspace, _range(frame)
    fresh.color_primaries, fresh.color_trc = frame.color_primaries, frame.color_trc
    return fresh


def _keep_time(old: VideoFrame, new: VideoFrame) -> None:
    new.pts = old.pts
    if old.time_base is not None:  # an image that was never in a stream has none
        new.time_base = old.time_base


def _to_planar(frame: VideoFrame) -> VideoFrame:
    """Convert any other format to 8-bit 4:2:0; an RGB one (GIF, PNG) becomes tagged BT.709."""
    is_rgb = frame.format.is_rgb or frame.format.has_palette
    code = _BT709 if is_rgb else _matrix(frame)
    matrix = _MATRICES[code][0]
    keep = ColorRange.MPEG if is_rgb else _range(frame)
    planar = frame.reformat(
        format="yuv420p",
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=None if is_rgb else keep,
        dst_color_range=keep,
        interpolation=Interpolation.BICUBIC | _EXACT,
    )
    _keep_time(frame, planar)
    planar.color_range = keep
    if is_rgb:
        planar.colorspace = planar.color_primaries = planar.color_trc = _BT709
    else:
        planar.colorspace = frame.colorspace
        planar.color_primaries, planar.color_trc = frame.color_primaries, frame.color_trc
    return planar


def _matrix(frame: VideoFrame) -> int:
    """The frame's AVColorSpace; where it says nothing, what players assume for its size."""
    if frame.colorspace in _MATRICES:
        return frame.colorspace
    return _BT709 if frame.height >= 720 else _BT601


def _is_full_range(frame: VideoFrame) -> bool:
    return frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")


def _range(frame: VideoFrame) -> ColorRange:
    if _is_full_range(frame):
        return ColorRange.JPEG
    return ColorRange(frame.color_range) if frame.color_range in (1, 2) else ColorRange.MPEG
