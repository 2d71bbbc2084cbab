"""Any picture that FFmpeg decodes: upright, its colours and shape unchanged, plays in browsers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
import pytest
from av import VideoFrame
from numpy.typing import NDArray

from camstream.annotation import AnnotationJob, AnnotationResult, run
from camstream.drawing.overlay import Style
from camstream.models.session import Model
from camstream.sinks.encoding import CodecName, Encoding
from tests.clips import ClipContents, ImageU8, Video, make, numbered, read, read_number

BARE = Style(heatmap_opacity=0, show_label=False)
FINE = Encoding(quality=4)
# BT.709 and BT.601 (SMPTE 170M, PAL), limited (1) and full (2) range; PQ in BT.2020.
TAGS = [(1, 1, 1, 1), (1, 2, 1, 1), (6, 1, 6, 6), (6, 2, 6, 6), (5, 2, 5, 6), (9, 1, 9, 16)]


def annotate(
    source: Path, output: Path, model: Model, style: Style = BARE, encoding: Encoding = FINE
) -> tuple[ClipContents, AnnotationResult]:
    result = run(AnnotationJob(source=source, output=output, style=style, encoding=encoding), model)
    assert not result.is_damaged
    return read(output), result


def bgr(frame: VideoFrame) -> ImageU8:
    return cast("ImageU8", frame.to_ndarray(format="bgr24"))


def planes_of(frame: VideoFrame) -> list[NDArray[np.float64]]:
    """The planes in units of 8 bits."""
    bits = frame.format.components[0].bits
    planes = []
    for plane in frame.planes:
        raw = np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)
        cells = raw.view(np.uint16) if bits > 8 else raw
        planes.append(cells[: plane.height, : plane.width] / 2.0 ** (bits - 8))
    return planes


def gamut(pix_fmt: str, *, full: bool, size_wh: tuple[int, int] = (160, 96)) -> VideoFrame:
    """Every brightness from left to right, every colour from top to bottom."""
    frame = VideoFrame(*size_wh, pix_fmt)
    bits = frame.format.components[0].bits
    for index, plane in enumerate(frame.planes):
        low, high = (0, 255) if full else (16, 235 if index == 0 else 240)
        ramp = np.linspace(low, high, plane.width if index == 0 else plane.height)
        values = ramp[np.newaxis, :] if index == 0 else ramp[:: (-1) ** index, np.newaxis]
        kind = np.uint16 if bits > 8 else np.uint8
        values = np.rint(np.broadcast_to(values, (plane.height, plane.width)) * 2 ** (bits - 8))
        lines = np.zeros((plane.buffer_size // plane.line_size, plane.line_size), np.uint8)
        lines.view(kind)[: plane.height, : plane.width] = values
        plane.update(lines.tobytes())
    return frame


def tags_of(frame: VideoFrame) -> tuple[int, int, int, int]:
    return frame.colorspace, int(frame.color_range), frame.color_primaries, frame.color_trc


@pytest.mark.parametrize("tags", TAGS, ids=str)
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv422p", "yuv420p10le"])
def test_colours_and_their_tags_are_kept(
    pix_fmt: str, tags: tuple[int, int, int, int], tmp_path: Path, tiny_model: Model
) -> None:
    full = tags[1] == 2
    video = Video(frames=2, pix_fmt=pix_fmt, tags=tags, options={"crf": "2"})
    pictures = [gamut(pix_fmt, full=full) for _ in range(2)]
    source = make(tmp_path / "in.mkv", video, pictures=pictures)
    before = read(source).frames
    after, result = annotate(source, tmp_path / "out.mp4", tiny_model)
    for old, new in zip(before, after.frames, strict=True):
        assert tags_of(old) == tags
        assert tags_of(new) == tags
        for was, now in zip(planes_of(old), planes_of(new), strict=True):
            if full and "10" in pix_fmt:
                was = was * (255 * 4 / 1023)  # full scale is 1023 there and 255 here
            if was.shape != now.shape:
                small = cv2.resize(was, now.shape[::-1], interpolation=cv2.INTER_AREA)
                was = np.asarray(small, np.float64)
            assert abs(float((now - was).mean())) < 0.5
            assert float(np.abs(now - was).mean()) < 1
    quantized = " ".join(result.warnings)
    assert ("8 bits" in quantized) == ("10" in pix_fmt)
    assert ("4:2:0" in quantized) == ("420" not in pix_fmt)


@pytest.mark.parametrize("codec", ["hevc", "vp9", "av1"])
@pytest.mark.parametrize("tags", [(1, 2, 1, 1), (6, 1, 6, 6)], ids=str)
def test_every_codec_keeps_colours_and_tags(
    codec: CodecName,
    tags: tuple[int, int, int, int],
    tmp_path: Path,
    tiny_model: Model,
) -> None:
    full = tags[1] == 2
    video = Video(frames=2, tags=tags, options={"crf": "2"})
    pictures = [gamut("yuv420p", full=full) for _ in range(2)]
    source = make(tmp_path / "in.mkv", video, pictures=pictures)
    after, _ = annotate(source, tmp_path / "out.mp4", tiny_model, encoding=Encoding(codec, 8))
    for old, new in zip(read(source).frames, after.frames, strict=True):
        assert tags_of(new) == tags
        for was, now in zip(planes_of(old), planes_of(new), strict=True):
            assert abs(float((now - was).mean())) < 0.5


def test_rgb_keeps_its_colours(tmp_path: Path, tiny_model: Model) -> None:
    image = np.zeros((96, 160, 3), np.uint8)
    colours = [(0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255), (128, 128, 128)]
    for index, colour in enumerate(colours):
        image[:, index * 32 : index * 32 + 32] = colour
    picture = VideoFrame.from_ndarray(image, "bgr24").reformat(format="rgb24")
    video = Video(frames=1, codec="png", pix_fmt="rgb24")
    source = make(tmp_path / "in.mov", video, pictures=[picture])
    after, _ = annotate(source, tmp_path / "out.mp4", tiny_model)
    assert tags_of(after.frames[0]) == (1, 1, 1, 1)
    luma, u, v = planes_of(after.frames[0])
    # ITU-R BT.709 limited range, worked out by hand.
    wanted = [(63, 102, 240), (173, 42, 26), (32, 240, 118), (235, 128, 128), (126, 128, 128)]
    for index, colour in enumerate(wanted):
        seen = luma[48, index * 32 + 16], u[24, index * 16 + 8], v[24, index * 16 + 8]
        assert seen == pytest.approx(colour, abs=2.5)


# Display matrix (a, b, c, d): (x, y) is shown at (a x + c y, b x + d y). How the coded picture
# is made from the upright one, so that the matrix turns it back.
TURNS = {
    "90 clockwise": ((0, 1, -1, 0), lambda upright: np.rot90(upright, 1)),
    "180": ((-1, 0, 0, -1), lambda upright: np.rot90(upright, 2)),
    "270 clockwise": ((0, -1, 1, 0), lambda upright: np.rot90(upright, -1)),
    "mirrored": ((-1, 0, 0, 1), lambda upright: upright[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda upright: upright[::-1]),
    "transposed": ((0, 1, 1, 0), lambda upright: upright.transpose(1, 0, 2)),
}


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS.keys())
def test_a_turned_picture_is_upright_and_so_is_its_label(
    turn: tuple[tuple[int, int, int, int], object], tmp_path: Path, tiny_model: Model
) -> None:
    matrix, code = turn
    upright = [numbered(number, (224, 160)) for number in range(3)]
    coded = [np.ascontiguousarray(code(image)) for image in upright]  # type: ignore[operator]
    height, width = coded[0].shape[:2]
    video = Video(frames=3, size_wh=(width, height), matrix=matrix, options={"crf": "4"})
    frames = [VideoFrame.from_ndarray(image, "bgr24").reformat(format="yuv420p") for image in coded]
    source = make(tmp_path / "in.mp4", video, pictures=frames)
    after, _ = annotate(source, tmp_path / "out.mp4", tiny_model)
    assert after.numbers == [0, 1, 2]
    for frame, wanted in zip(after.frames, upright, strict=True):
        assert not frame.side_data.get("DISPLAYMATRIX")
        assert (frame.width, frame.height) == (224, 160)
        assert float(np.abs(bgr(frame).astype(int) - wanted).mean()) < 4
    style = Style(show_heatmap=False)
    labelled, _ = annotate(source, tmp_path / "label.mp4", tiny_model, style)
    changed = np.abs(bgr(labelled.frames[1]).astype(int) - upright[1]).max(axis=2) > 40
    rows, columns = np.nonzero(changed)
    assert rows.max() < 40
    assert columns.min() < 16


@pytest.mark.parametrize("size_wh", [(161, 97), (160, 97), (161, 96)])
def test_odd_sizes_are_made_even_without_moving_a_pixel(
    size_wh: tuple[int, int], tmp_path: Path, tiny_model: Model
) -> None:
    video = Video(frames=2, size_wh=size_wh, codec="ffv1", pix_fmt="yuv444p")
    source = make(tmp_path / "in.mkv", video)
    after, result = annotate(source, tmp_path / "out.mp4", tiny_model)
    frame = after.frames[0]
    width, height = size_wh
    assert (frame.width, frame.height) == (width + width % 2, height + height % 2)
    before = bgr(read(source).frames[0])
    assert float(np.abs(bgr(frame)[:height, :width].astype(int) - before).mean()) < 5
    assert any("odd" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    "video",
    [
        Video(codec="libx265", pix_fmt="yuv420p10le"),
        Video(codec="libx264", pix_fmt="yuv420p10le"),
        Video(codec="libx265"),
        Video(codec="libsvtav1"),
        Video(codec="libvpx-vp9"),
        Video(codec="mpeg2video", time_base=Fraction(1, 25)),
        Video(codec="mjpeg", pix_fmt="yuvj420p"),
    ],
    ids=lambda video: f"{video.codec} {video.pix_fmt}",
)
def test_codecs_in_play_in_browsers_out(video: Video, tmp_path: Path, tiny_model: Model) -> None:
    source = make(tmp_path / "in.mkv", replace(video, frames=12))
    after, _ = annotate(source, tmp_path / "out.mp4", tiny_model)
    assert after.numbers == list(range(12))
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.codec_tag) == ("h264", "avc1")
        assert context.pix_fmt in ("yuv420p", "yuvj420p")
    assert boxes(tmp_path / "out.mp4")[-1] == b"moov"


def boxes(path: Path) -> list[bytes]:
    """The names of an mp4 file's outermost boxes; a whole file has no fragments left."""
    data, at, names = path.read_bytes(), 0, []
    while at < len(data):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if length == 1:
            length = int.from_bytes(data[at + 8 : at + 16], "big")
        names.append(name)
        at += length or len(data)
    assert b"moof" not in names
    return names


CONTAINERS: Sequence[tuple[CodecName | None, str, str]] = [
    ("h264", ".mov", "avc1"),
    ("h264", ".mkv", ""),
    ("hevc", ".mp4", "hvc1"),
    ("hevc", ".mov", "hvc1"),
    ("vp9", ".mp4", "vp09"),
    ("vp9", ".webm", ""),
    ("av1", ".mp4", "av01"),
    ("av1", ".webm", ""),
    (None, ".webm", ""),
]


@pytest.mark.parametrize(("codec", "suffix", "tag"), CONTAINERS)
def test_codecs_and_containers_out(
    codec: CodecName | None,
    suffix: str,
    tag: str,
    tmp_path: Path,
    tiny_model: Model,
    capfd: pytest.CaptureFixture[str],
) -> None:
    source = make(tmp_path / "in.mp4")
    capfd.readouterr()
    output = tmp_path / f"out{suffix}"
    after, _ = annotate(source, output, tiny_model, encoding=Encoding(codec, 16))
    assert capfd.readouterr() == ("", "")
    assert after.numbers == list(range(20))
    with av.open(str(output)) as container:
        context = container.streams.video[0].codec_context
        decoders = {"av1": "libdav1d", None: "vp9"}
        assert context.name == decoders.get(codec, codec)
        if tag:
            assert context.codec_tag == tag


@pytest.mark.parametrize("turned", [False, True])
def test_the_shape_of_pixels_is_kept(turned: bool, tmp_path: Path, tiny_model: Model) -> None:
    matrix = (0, 1, -1, 0) if turned else None
    source = make(tmp_path / "in.mp4", Video(aspect=Fraction(4, 3), matrix=matrix))
    annotate(source, tmp_path / "out.mp4", tiny_model)
    with av.open(str(tmp_path / "out.mp4")) as container:
        aspect = container.streams.video[0].sample_aspect_ratio
    assert aspect == (Fraction(3, 4) if turned else Fraction(4, 3))


def test_numbers_are_read_back_from_a_picture_that_was_only_drawn() -> None:
    assert [read_number(numbered(number)) for number in (0, 1, 511, 1023)] == [0, 1, 511, 1023]
