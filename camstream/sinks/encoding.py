"""How a video is encoded: the codecs and their settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from camstream.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """An encoder with its default settings.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        crf: Default constant rate factor.
        presets: The encoder's names for its speeds.
        preset: The default one.
        options: Further options, always set.
        preset_option: The name of the encoder's option for the preset.
        tag: The codec tag that players need.
    """

    encoder: str
    crf: int
    presets: tuple[str, ...]
    preset: str
    options: dict[str, str] = field(default_factory=dict)
    preset_option: str = "preset"
    tag: str | None = None


CodecName = Literal["h264", "hevc", "vp9", "av1"]
_X26X = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
)
CODECS: dict[CodecName, Codec] = {
    "h264": Codec(encoder="libx264", crf=20, presets=_X26X, preset="veryfast"),
    "hevc": Codec(
        encoder="libx265",
        crf=24,
        presets=_X26X,
        preset="veryfast",
        options={"x265-params": "log-level=none"},
        tag="hvc1",  # QuickTime plays HEVC only with this tag
    ),
    "vp9": Codec(
        encoder="libvpx-vp9",
        crf=32,
        presets=tuple(map(str, range(9))),
        preset="6",
        options={"deadline": "realtime", "row-mt": "1", "b": "0"},  # b: constant quality
        preset_option="cpu-used",
    ),
    "av1": Codec(encoder="libsvtav1", crf=34, presets=tuple(map(str, range(14))), preset="10"),
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a video is encoded.

    Attributes:
        codec: One of CODECS; None chooses H.264, or VP9 for a .webm file.
        quality: Constant rate factor, lower is better and larger; None chooses the codec's default.
        preset: The encoder's name of a speed (words for H.264 and HEVC, a number for VP9 and
            AV1); None chooses a fast one.
    """

    codec: CodecName | None = None
    quality: int | None = None
    preset: str | None = None

    def __post_init__(self) -> None:
        if self.codec is not None and self.codec not in CODECS:
            raise UsageError(f"no codec {self.codec!r}; there are {', '.join(CODECS)}")
