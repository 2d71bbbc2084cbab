"""Make the sample clip and the truth beside it: ``python videos/make_sample.py [OUTPUT_FOLDER]``.

A virtual camera pans and zooms over photos that come with scikit-image, so that a named thing
wanders through the frame. ``sample.csv`` tells, frame by frame, what the thing is and where.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation
from skimage import data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import OutputContainer
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

Image: TypeAlias = "NDArray[np.uint8]"
Floats: TypeAlias = "NDArray[np.float64]"
Box: TypeAlias = tuple[float, float, float, float]

WIDTH, HEIGHT, FPS, SAMPLE_RATE = 1280, 720, 30, 48_000
PER_FRAME = SAMPLE_RATE // FPS  # samples of sound a frame
LOUDNESS_DBFS = -20.0
ROOTS = (220.0, 196.0, 174.6, 146.8)  # of the chord of each shot, hertz
MAJOR_SEVENTH = (1, 5 / 4, 3 / 2, 15 / 8)
# How the picture blurs with the distance from the photo's sharp part: (sigma, from, to), pixels.
BLURS = ((2.0, 0, 20), (5.0, 10, 40), (12.0, 28, 75), (28.0, 55, 140))
# Left to its fast way, the converter rounds down, and grey turns green.
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP
COLUMNS = ("index", "pts_s", "photo", "class_index", "label", "x0", "y0", "x1", "y1", "accepted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One photo and the camera's way over it.

    Attributes:
        photo: Name of the photo in ``skimage.data``.
        frames: How long the shot lasts.
        names: What ImageNet-1k calls the thing, class index and label: the best name first, then
            all that are as true of it. Empty where it has no name for anything in the photo.
        box: The thing (or what the camera follows): left, top, right, bottom, photo pixels.
        keys: Stations of the camera, evenly spaced in time: where the middle of the box is in
            the frame (x, y) and how many frame pixels a photo pixel covers.
        margins: Photo pixels at the left, top, right and bottom that hold only background; what
            lies beyond the photo is made of these.
        pad: Photo pixels that are made up beyond each edge.
        depth: How far the made-up part stays in focus, as a factor on BLURS.
    """

    photo: str
    frames: int
    names: tuple[tuple[int, str], ...] = ()
    box: Box
    keys: tuple[tuple[float, float, float], ...]
    margins: tuple[int, int, int, int] = (1, 1, 1, 1)
    pad: int = 420
    depth: float = 1.0


SHOTS = (
    Shot(
        photo="chelsea",
        frames=111,
        names=((281, "tabby"), (282, "tiger cat"), (285, "Egyptian cat")),
        box=(0, 0, 398, 300),
        keys=((420, 300, 1.9), (820, 310, 2.05), (600, 330, 2.2)),
        margins=(28, 20, 50, 12),
    ),
    Shot(
        photo="coffee",
        frames=108,
        names=((967, "espresso"), (968, "cup")),
        box=(173, 18, 408, 305),
        keys=((760, 320, 2.1), (430, 300, 2.0), (660, 320, 2.4)),
        margins=(60, 10, 100, 4),
    ),
    Shot(
        photo="hubble_deep_field",
        frames=57,
        box=(400, 350, 600, 520),
        keys=((660, 300, 1.34), (620, 480, 1.5)),
        pad=0,
    ),
    Shot(
        photo="camera",
        frames=114,
        names=((872, "tripod"),),
        box=(228, 186, 408, 512),
        keys=((460, 515, 1.8), (600, 520, 2.0), (740, 515, 2.3)),
        margins=(8, 60, 80, 8),
        depth=12.0,
    ),
)


def fold(size: int, before: int, after: int, pad: int) -> NDArray[np.intp]:
    """Indices of one axis, continued on both sides by going to and fro over its margins."""
    axis = np.arange(size)
    first = np.pad(axis[:before], (pad, 0), mode="symmetric")[:pad]
    last = np.pad(axis[size - after :], (0, pad), mode="symmetric")[after:]
    return np.concatenate((first, axis, last))


def backdrop(photo: Image, shot: Shot) -> Image:
    """Continue a photo beyond its edges, ever more out of focus, at twice its resolution."""
    height, width = photo.shape[:2]
    left, top, right, bottom = shot.margins
    rows, columns = fold(height, top, bottom, shot.pad), fold(width, left, right, shot.pad)
    canvas = photo[np.ix_(rows, columns)].astype(np.float32)
    blurred = np.full(canvas.shape[:2], 255, np.uint8)
    # Blur begins half a margin inside the photo, or the eye would find the mirror's axis.
    upper, lower = shot.pad + top // 2, shot.pad + height - bottom // 2
    blurred[upper:lower, shot.pad + left // 2 : shot.pad + width - right // 2] = 0
    distance = cv2.distanceTransform(blurred, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    soft = canvas
    for sigma, begin, end in BLURS:
        share = np.clip((distance / shot.depth - begin) / (end - begin), 0, 1)[..., None]
        share = share * share * (3 - 2 * share)
        soft = soft * (1 - share) + cv2.GaussianBlur(canvas, (0, 0), sigma) * share
    large = cv2.resize(soft, None, fx=2, fy=2, interpolation=cv2.INTER_LANCZOS4)
    # Small photos look soft when enlarged: a little unsharp masking gives them their edge back.
    large = cv2.addWeighted(large, 1.5, cv2.GaussianBlur(large, (0, 0), 1.6), -0.5, 0)
    return np.clip(np.rint(large), 0, 255).astype(np.uint8)


def path(keys: tuple[tuple[float, float, float], ...], frames: int) -> Floats:
    """Lead a smooth curve through the stations, at rest at both ends; one row a frame."""
    points = np.array(keys, np.float64)
    points[:, 2] = np.log(points[:, 2])  # even steps of the logarithm look like an even zoom
    slopes = np.pad((points[2:] - points[:-2]) / 2, ((1, 1), (0, 0)))
    time = np.linspace(0, len(points) - 1, frames)
    left = np.minimum(time.astype(int), len(points) - 2)
    t = (time - left)[:, None]
    curve: Floats = (
        points[left] * (1 + 2 * t) * (1 - t) ** 2
        + slopes[left] * t * (1 - t) ** 2
        + points[left + 1] * t**2 * (3 - 2 * t)
        + slopes[left + 1] * t**2 * (t - 1)
    )
    curve[:, 2] = np.exp(curve[:, 2])
    return curve


def view(canvas: Image, shot: Shot, station: Floats) -> tuple[Image, Box]:
    """Take one frame off the canvas, and where the box lies in it, clipped to the frame."""
    scale, box = station[2], np.array(shot.box)
    shift = station[:2] - scale * (box[:2] + box[2:]) / 2
    # The canvas has two pixels a photo pixel, and warpAffine counts from pixel centres.
    matrix = np.c_[np.eye(2) * scale / 2, shift - scale * shot.pad + scale / 4 - 0.5]
    frame = cv2.warpAffine(canvas, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LANCZOS4)
    corners = box * scale + np.tile(shift, 2)
    x0, y0, x1, y1 = np.clip(corners, 0, (WIDTH, HEIGHT, WIDTH, HEIGHT)).tolist()
    return frame.astype(np.uint8, copy=False), (x0, y0, x1, y1)


def scenes() -> Iterator[tuple[Image, Shot, Box]]:
    """Every frame of the clip in order, with its shot and the box in it."""
    for shot in SHOTS:
        photo = np.asarray(getattr(data, shot.photo)(), np.uint8)
        canvas = backdrop(photo[..., ::-1] if photo.ndim == 3 else np.dstack([photo] * 3), shot)
        for station in path(shot.keys, shot.frames):
            frame, box = view(canvas, shot, station)
            yield frame, shot, box


def row(index: int, shot: Shot, box: Box) -> list[str]:
    """One line of sample.csv."""
    truth = [""] * 7
    if shot.names:
        accepted = [str(class_index) for class_index, _ in shot.names]
        corners = [str(round(edge)) for edge in box]
        truth = [accepted[0], shot.names[0][1], *corners, " ".join(accepted)]
    return [str(index), f"{index / FPS:.6f}", shot.photo, *truth]


def pluck(hertz: float, seconds: float) -> Floats:
    """A soft plucked note: a few harmonics, the higher the sooner gone."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    harmonic = np.arange(1, 5)[:, None]
    fading = np.exp(-time * (1.1 + 0.9 * harmonic)) / harmonic**2
    note: Floats = np.sum(fading * np.sin(2 * np.pi * hertz * harmonic * time), axis=0)
    return note * np.minimum(time / 0.006, 1)


def soundtrack() -> NDArray[np.float32]:
    """Stereo sound: a chord played note by note for every shot, and a tick on every cut."""
    sound = np.zeros((2, sum(shot.frames for shot in SHOTS) * PER_FRAME))
    begin = 0
    for shot, root in zip(SHOTS, ROOTS, strict=True):
        for number in range(round(shot.frames / 12)):
            hertz = root * MAJOR_SEVENTH[number % 4] * (1 + number // 4 % 2)
            start = begin + (number * 12 + 3) * PER_FRAME
            note = pluck(hertz, 2.5)[: max(sound.shape[1] - start, 0)]
            pan = 0.3 * np.sin(number)
            sound[:, start : start + note.size] += np.outer((0.5 - pan, 0.5 + pan), note)
        if begin:
            time = np.arange(SAMPLE_RATE // 20) / SAMPLE_RATE
            sound[:, begin : begin + time.size] += 0.7 * np.sin(9000 * time) * np.exp(-time * 160)
        begin += shot.frames * PER_FRAME
    fade = np.minimum(np.arange(begin)[::-1] / (0.5 * SAMPLE_RATE), 1)  # at the end
    sound *= fade * 10 ** (LOUDNESS_DBFS / 20) / np.sqrt(np.mean(sound**2))
    return sound.astype(np.float32)


def add_video(clip: OutputContainer, *, crf: int) -> VideoStream:
    """Add the picture's stream to a clip: H.264, BT.709."""
    # One thread, so that the bytes do not hang on the number of cores.
    options = {"crf": str(crf), "preset": "slow", "threads": "1", "g": "60"}
    video = clip.add_stream("libx264", rate=FPS, options=options)
    video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    tags = video.codec_context  # 1 is BT.709, and for the range "limited"
    tags.color_primaries = tags.color_trc = tags.colorspace = tags.color_range = 1
    return video


def to_frame(image: Image, index: int) -> av.VideoFrame:
    """Turn a BGR image into the clip's frame of that number."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
    frame = frame.reformat(format="yuv420p", interpolation=EXACT, dst_colorspace=1)
    frame.pts, frame.time_base = index, Fraction(1, FPS)
    return frame


def write_clip(path_out: Path) -> list[list[str]]:
    """Encode the clip, and return the rows of sample.csv."""
    rows, sound = [], soundtrack()
    with av.open(path_out, "w", options={"movflags": "+faststart"}) as clip:
        video = add_video(clip, crf=23)
        audio = clip.add_stream("aac", rate=SAMPLE_RATE, layout="stereo", bit_rate=96_000)
        for index, (image, shot, box) in enumerate(scenes()):
            clip.mux(video.encode(to_frame(image, index)))
            piece = np.ascontiguousarray(sound[:, index * PER_FRAME : (index + 1) * PER_FRAME])
            samples = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
            samples.rate, samples.pts = SAMPLE_RATE, index * PER_FRAME
            clip.mux(audio.encode(samples))
            rows.append(row(index, shot, box))
        clip.mux([*video.encode(), *audio.encode()])
    return rows


def main(folder: Path) -> None:
    """Write sample.mp4 and sample.csv into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = write_clip(folder / "sample.mp4")
    lines = [",".join(cells) + "\n" for cells in (COLUMNS, *rows)]
    (folder / "sample.csv").write_text("".join(lines), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
