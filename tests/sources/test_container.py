"""What FFmpeg cannot open or decode, in plain words; ratios of PyAV before and since 19."""

from __future__ import annotations

import errno
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.rational import AVRational

from camstream.errors import SourceError
from camstream.sources.container import declared_end_s, exact, find_video, open_input, plain_reason
from camstream.sources.file import FileSource
from camstream.sources.timeline import Timeline
from tests.clips import Video, make

SHORT = Video(frames=5, options={"preset": "ultrafast"})


@pytest.mark.parametrize("content", [b"", b"hello\n" * 100, b"\0\0\0\x18ftypisom" + b"\0" * 200])
def test_what_is_no_video_is_said_in_plain_words(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "in.mp4").write_bytes(content)
    words = "as a video: it is damaged, or no video of a kind that FFmpeg reads$"
    with pytest.raises(SourceError, match=words):
        open_input(tmp_path / "in.mp4")


def test_every_error_of_ffmpeg_has_words() -> None:
    kinds = [kind for name, kind in vars(av.error).items() if name.endswith("Error")]
    assert len(kinds) > 30
    for kind in kinds:
        if kind is not av.error.PyAVCallbackError and issubclass(kind, av.error.FFmpegError):
            assert plain_reason(kind(errno.EIO, "", "rtsp://user:s3cret@host")).strip()
            assert "s3cret" not in plain_reason(kind(errno.EIO, "", "rtsp://user:s3cret@host"))
    assert plain_reason(ValueError()) == "ValueError"


def test_a_stream_that_has_no_decoder_is_never_decoded(tmp_path: Path) -> None:
    """PyAV gives it no codec context; to decode it could end the process."""
    clip = make(tmp_path / "in.mkv", SHORT, audio=["aac"])
    data = clip.read_bytes()
    assert data.count(b"V_MPEG4/ISO/AVC") == 1
    clip.write_bytes(data.replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ"))
    with open_input(clip) as container:
        assert container.streams.video[0].codec_context is None
        assert find_video(container) is None
    with pytest.raises(SourceError, match="there is no video in it"):
        FileSource(clip)


@pytest.mark.parametrize("base", [Fraction(1, 90_000), AVRational(1, 90_000)], ids=str)
def test_ratios_of_pyav_19_serve_as_well(base: Fraction) -> None:
    class Packet:
        stream_index, duration, time_base = 0, 9000, base

        def __init__(self, dts: int) -> None:
            self.dts = self.pts = dts

    packets = [Packet(dts) for dts in (0, 9000, 0, 9000)]
    timeline = Timeline(0, shift_s=Fraction(1, 30))
    assert [p.dts for p in timeline.corrected(packets)] == [-3000, 6000, 15000, 24000]  # type: ignore[arg-type]
    assert exact(base) == Fraction(1, 90_000)


def test_a_length_in_a_tag_is_read_and_nonsense_is_not() -> None:
    class Stream:
        duration, time_base, start_time = None, Fraction(1, 1000), 0

        def __init__(self, tag: str) -> None:
            self.metadata = {"DURATION": tag}

    assert declared_end_s(Stream("00:01:02.500")) == Fraction(125, 2)  # type: ignore[arg-type]
    for nonsense in ("", "1:2", "a:b:c", "1/0:0:0", "::"):
        assert declared_end_s(Stream(nonsense)) is None  # type: ignore[arg-type]
