"""Every frame, same order, same times; sound and subtitles untouched; what is not, is printed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from camstream.annotation import AnnotationJob, AnnotationResult, run
from camstream.models.session import Model
from tests.clips import ClipContents, Video, make, read

NTSC = Fraction(1001, 30000)
ONE_FRAME_S = 1 / 25
AAC = ("aac",)

# Nothing regular about them, in 1/90000 s and in milliseconds.
UNEVEN_90K = (0, 3000, 3700, 9000, 12345, 20000, 21000, 40000, 90000, 90001)
UNEVEN_MS = (0, 33, 67, 100, 133, 400, 410, 415, 1200)


def annotate(
    source: Path, output: Path, model: Model
) -> tuple[ClipContents, ClipContents, AnnotationResult]:
    result = run(AnnotationJob(source=source, output=output), model)
    assert not result.is_damaged
    before, after = read(source), read(output)
    assert result.stats.frames_in == result.stats.frames_out == len(before.frames)
    return before, after, result


EXACT = {
    "h264 mp4": ("in.mp4", "out.mp4", Video(), AAC),
    "29.97 mp4": ("in.mp4", "out.mp4", Video(time_base=NTSC), AAC),
    "29.97 mov": ("in.mov", "out.mov", Video(time_base=NTSC), ("pcm_s16le",)),
    "uneven mp4": (
        "in.mp4",
        "out.mp4",
        Video(time_base=Fraction(1, 90000), step=3000, pts=UNEVEN_90K),
        AAC,
    ),
    "uneven mkv": (
        "in.mkv",
        "out.mkv",
        Video(time_base=Fraction(1, 1000), step=33, pts=UNEVEN_MS),
        ("libopus",),
    ),
    "uneven mkv to mp4": (
        "in.mkv",
        "out.mp4",
        Video(time_base=Fraction(1, 1000), step=33, pts=UNEVEN_MS),
        ("libopus",),
    ),
    "picture later than sound": (
        "in.mp4",
        "out.mp4",
        Video(time_base=Fraction(1, 90000), step=3000, pts=range(45000, 105000, 3000)),
        AAC,
    ),
    "B-frames": ("in.mp4", "out.mp4", Video(options={"bf": "3", "b-adapt": "0"}), AAC),
    "two sounds": ("in.mp4", "out.mp4", Video(), ("aac", "libmp3lame")),
    "no sound": ("in.mp4", "out.mp4", Video(), ()),
    "one frame": ("in.mp4", "out.mp4", Video(frames=1), AAC),
    "vp9 webm": ("in.webm", "out.webm", Video(codec="libvpx-vp9"), ("libopus",)),
    "vp9 webm to mp4": ("in.webm", "out.mp4", Video(codec="libvpx-vp9"), ("libopus",)),
    "gif": (
        "in.gif",
        "out.mp4",
        Video(codec="gif", pix_fmt="rgb8", time_base=Fraction(1, 100), step=5),
        (),
    ),
    "avi": ("in.avi", "out.mp4", Video(codec="mpeg4", time_base=Fraction(1, 25)), ("libmp3lame",)),
}


@pytest.mark.parametrize("case", EXACT.values(), ids=EXACT.keys())
def test_frames_and_sound_keep_their_order_time_and_bytes(
    case: tuple[str, str, Video, tuple[str, ...]], tmp_path: Path, tiny_model: Model
) -> None:
    source, output, video, audio = case
    make(tmp_path / source, video, audio=audio)
    before, after, result = annotate(tmp_path / source, tmp_path / output, tiny_model)
    assert after.numbers == list(range(len(video.times)))
    assert after.times_s == before.times_s
    assert after.packets == before.packets
    assert len(after.packets) == len(audio)
    assert before.duration_s is not None
    assert after.duration_s == pytest.approx(before.duration_s, abs=ONE_FRAME_S)
    assert [r for r in result.warnings if "colour resolution" not in r] == []


def test_sound_that_begins_late_or_ends_late_stays_so(tmp_path: Path, tiny_model: Model) -> None:
    source = make(tmp_path / "in.mp4", audio=AAC, start_s=0.3, audio_s=2.0)
    before, after, _ = annotate(source, tmp_path / "out.mp4", tiny_model)
    assert before.packets[0][2][0][0] > 0.2
    assert after.packets == before.packets
    assert after.duration_s == pytest.approx(before.duration_s, abs=ONE_FRAME_S)


@pytest.mark.parametrize("offset_s", ["0", "1.4"])
def test_a_transport_stream_keeps_its_start(
    offset_s: str, tmp_path: Path, tiny_model: Model
) -> None:
    options = {"output_ts_offset": offset_s}
    source = make(tmp_path / "in.ts", audio=AAC, options=options)
    before, after, _ = annotate(source, tmp_path / "out.mp4", tiny_model)
    assert after.times_s == before.times_s
    assert after.numbers == before.numbers == list(range(20))
    (kind, codec, sent), (*_, got) = before.packets[0], after.packets[0]
    assert (kind, codec) == ("audio", "aac")
    assert [time for time, _ in got] == [time for time, _ in sent]
    adts_header = 7  # repeated in each packet of a transport stream, once in an mp4 file
    assert [data for _, data in got] == [data[adts_header:] for _, data in sent]


def test_a_clock_that_starts_hours_late_is_set_back_and_reported(
    tmp_path: Path, tiny_model: Model
) -> None:
    source = make(tmp_path / "in.ts", audio=AAC, options={"output_ts_offset": "36000"})
    before, after, result = annotate(source, tmp_path / "out.mp4", tiny_model)
    assert before.times_s[0] == 36000
    shifts = {old - new for old, new in zip(before.times_s, after.times_s, strict=True)}
    sound = zip(before.packets[0][2], after.packets[0][2], strict=True)
    shifts |= {old[0] - new[0] for old, new in sound}
    assert len(shifts) == 1
    assert after.packets[0][2][0][0] == 0
    assert [r for r in result.warnings if "35999.979 s" in r and "starts at 0" in r]


@pytest.mark.parametrize("time_base", [Fraction(1, 30), NTSC])
def test_matroska_rounds_to_its_millisecond_and_warns(
    time_base: Fraction, tmp_path: Path, tiny_model: Model
) -> None:
    source = make(tmp_path / "in.mp4", Video(time_base=time_base), audio=AAC)
    before, after, result = annotate(source, tmp_path / "out.mkv", tiny_model)
    half_ms = Fraction(1, 2000)
    pairs = zip(before.times_s, after.times_s, strict=True)
    assert all(abs(old - new) <= half_ms for old, new in pairs)
    sound = list(zip(before.packets[0][2], after.packets[0][2], strict=True))
    assert before.packets[0][2][0][0] < 0  # the encoder's own delay, before the picture
    assert all(abs(old[0] - new[0]) <= half_ms and old[1] == new[1] for old, new in sound)
    assert any("rounded to 1 ms" in warning for warning in result.warnings)


@pytest.mark.parametrize("frames", [20, 75])
def test_subtitles_in_mp4(frames: int, tmp_path: Path, tiny_model: Model) -> None:
    source = make(tmp_path / "in.mp4", Video(frames=frames), audio=AAC, subtitles="mov_text")
    before, after, result = annotate(source, tmp_path / "out.mp4", tiny_model)
    assert ("subtitle", "mov_text") in [packets[:2] for packets in after.packets]
    assert after.packets == before.packets
    assert after.duration_s == pytest.approx(before.duration_s, abs=ONE_FRAME_S)
    assert result.warnings == ()


def test_subtitles_and_attachments_in_matroska(tmp_path: Path, tiny_model: Model) -> None:
    video = Video(time_base=Fraction(1, 25))
    source = make(tmp_path / "in.mkv", video, audio=("libopus",), subtitles="srt", attachment=True)
    before, after, result = annotate(source, tmp_path / "out.mkv", tiny_model)
    kinds = [packets[:2] for packets in after.packets]
    assert kinds == [("audio", "opus"), ("subtitle", "srt"), ("attachment", "none")]
    assert after.packets == before.packets
    assert after.times_s == before.times_s
    assert result.warnings == ()


def test_what_a_container_cannot_hold_is_reported(tmp_path: Path, tiny_model: Model) -> None:
    source = make(tmp_path / "in.mkv", audio=AAC, subtitles="srt", attachment=True)
    _, after, result = annotate(source, tmp_path / "out.webm", tiny_model)
    assert after.packets == []
    printed = " ".join(result.warnings)
    for stream in ("audio stream 1 (aac)", "subtitle stream 2 (srt)", "attachment stream 3"):
        assert f"{stream}" in printed
    _, after, result = annotate(source, tmp_path / "out.mp4", tiny_model)
    assert [packets[:2] for packets in after.packets] == [("audio", "aac")]
    assert "subtitle stream 2 (srt) is left out" in " ".join(result.warnings)


def test_a_data_stream_is_left_out_and_reported(tmp_path: Path, tiny_model: Model) -> None:
    source = make(tmp_path / "in.ts", audio=AAC, data=True)
    _, after, result = annotate(source, tmp_path / "out.mp4", tiny_model)
    assert [packets[:2] for packets in after.packets] == [("audio", "aac")]
    assert any("data stream 2" in warning for warning in result.warnings)


def test_title_and_language_are_kept(tmp_path: Path, tiny_model: Model) -> None:
    source = make(tmp_path / "in.mp4", audio=AAC, metadata={"title": "A walk"})
    _, after, _ = annotate(source, tmp_path / "out.mp4", tiny_model)
    assert after.metadata["title"] == "A walk"


def test_a_sound_that_is_declared_and_never_comes_costs_nothing(
    tmp_path: Path, tiny_model: Model
) -> None:
    """Cut transport streams often have one; the whole output was lost."""
    packets = make(tmp_path / "whole.ts", audio=AAC).read_bytes()
    parts = [packets[at : at + 188] for at in range(0, len(packets), 188)]
    sound = 0x101
    silent = [part for part in parts if int.from_bytes(part[1:3]) & 0x1FFF != sound]
    assert 0 < len(silent) < len(parts)
    (tmp_path / "in.ts").write_bytes(b"".join(silent))
    _, after, result = annotate(tmp_path / "in.ts", tmp_path / "out.mp4", tiny_model)
    assert after.numbers == list(range(20))
    assert after.packets == []
    assert [warning for warning in result.warnings if "holds no sound" in warning]
