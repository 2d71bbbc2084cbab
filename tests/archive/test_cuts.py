"""Long videos are cut so that their parts together are the whole, bit for bit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from camstream.archive.cuts import Cuts, find_cuts
from camstream.archive.read import WHOLE, Span
from camstream.archive.sampling import Samples
from camstream.errors import SourceError
from camstream.sources.file import FileSource
from tests.archive import clips

Seen = tuple[float, str]


def frames_of(
    path: Path, span: Span = WHOLE, rate_hz: float | None = None
) -> tuple[list[Seen], Samples]:
    """Time and pixels of each sample of a part."""
    source = FileSource(path, even=True)
    try:
        if span.seek_s is not None:
            assert source.seek(span.seek_s)
        samples = Samples(source, rate_hz=rate_hz, begin_s=span.begin_s, end_s=span.end_s)
        seen = []
        for frame in samples:
            digest = hashlib.sha256()
            for plane in frame.picture.planes():
                digest.update(plane.tobytes())
            seen.append((frame.pts_s, digest.hexdigest()))
        return seen, samples
    finally:
        source.close()


OPEN = "open-gop=1:b-pyramid=normal:scenecut=0"

KINDS: dict[str, Callable[[Path], Path]] = {
    "closed": lambda folder: clips.write(folder / "a.mp4", g="15", bf="3"),
    "open": lambda folder: clips.write(folder / "a.mp4", g="15", bf="3", x264_params=OPEN),
    "open in mkv": lambda folder: clips.write(folder / "a.mkv", g="15", bf="3", x264_params=OPEN),
    "uneven, late": lambda folder: clips.write_uneven(folder / "a.mkv"),
    "uneven in mp4": lambda folder: clips.write_uneven(folder / "a.mp4"),
    "very late": lambda folder: clips.write_uneven(folder / "a.mkv", start_s=50),
    "h265": lambda folder: clips.write(
        folder / "a.mp4",
        codec="libx265",
        x265_params="log-level=none:open-gop=1:keyint=15:min-keyint=15:bframes=3",
    ),
    "mpeg2": lambda folder: clips.write(folder / "a.mkv", codec="mpeg2video", g="15", bf="2"),
    "mpeg4": lambda folder: clips.write(folder / "a.mp4", codec="mpeg4", g="15", bf="2"),
    "avi": lambda folder: clips.write(folder / "a.avi", codec="mpeg4", g="15", bf="2"),
    "vp9": lambda folder: clips.write(
        folder / "a.webm", codec="libvpx-vp9", g="15", deadline="realtime", cpu_used="8"
    ),
    "av1": lambda folder: clips.write(folder / "a.mkv", codec="libsvtav1", g="15", preset="12"),
    "mjpeg": lambda folder: clips.write(folder / "a.mkv", codec="mjpeg"),
    "turned": lambda folder: clips.write(folder / "a.mp4", g="15", matrix=(0, 1, -1, 0)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_parts_together_are_the_whole(tmp_path: Path, kind: str) -> None:
    path = KINDS[kind](tmp_path)
    cuts = find_cuts(path, 0.7)
    assert len(cuts.spans) >= 3, cuts
    every, _ = frames_of(path)
    assert sum(span.frames or 0 for span in cuts.spans) == len(every)
    for rate_hz in (None, 7.0):
        whole, _ = frames_of(path, rate_hz=rate_hz)
        together: list[Seen] = []
        for span in cuts.spans:
            seen, samples = frames_of(path, span, rate_hz)
            assert (samples.frames, samples.check) == (span.frames, span.check)
            together += seen
        assert together == whole
    if "open" in kind or "uneven" in kind or kind == "mpeg2":
        assert leading(path, cuts), "the clip is not what it should be"


def leading(path: Path, cuts: Cuts) -> int:
    """Number of pictures that are decoded after a cut's key frame and displayed before it."""
    found = 0
    with av.open(str(path)) as container:
        shift_s = FileSource(path).shift_s
        for span in cuts.spans[1:]:
            assert span.begin_s is not None
            is_after = False
            container.seek(0)
            for packet in container.demux(video=0):
                if packet.pts is None:
                    continue
                pts_s = float(packet.pts * packet.time_base - shift_s)
                is_after = is_after or pts_s == span.begin_s
                found += is_after and pts_s < span.begin_s
    return found


def test_a_short_video_is_not_cut(tmp_path: Path) -> None:
    path = clips.write(tmp_path / "a.mp4", g="15")
    assert find_cuts(path, 10) == find_cuts(path, 0) == Cuts((WHOLE,))


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("a.ts", {}, "this kind of file"),
        ("a.mp4", {"g": "500"}, "too few key frames"),
        # Points of recovery that need some frames to become right.
        ("a.mkv", {"x264_params": "intra-refresh=1:keyint=15"}, "too few key frames"),
        ("a.mkv", {"codec": "ffv1"}, "ffv1"),
    ],
)
def test_what_cannot_be_cut_exactly_is_not_cut(
    tmp_path: Path, name: str, options: dict[str, str], why: str
) -> None:
    cuts = find_cuts(clips.write(tmp_path / name, **options), 0.7)  # type: ignore[arg-type]
    assert len(cuts.spans) == 1
    assert why in cuts.why_not


def test_a_part_that_does_not_begin_where_asked_is_an_error(tmp_path: Path) -> None:
    path = clips.write(tmp_path / "a.mp4", g="15")
    late = Span(seek_s=2.0, begin_s=1.0, end_s=3.0)
    with pytest.raises(SourceError, match="does not begin where asked"):
        frames_of(path, late)
