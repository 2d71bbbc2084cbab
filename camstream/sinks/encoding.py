"""How a video is encoded: the codecs, and what may be asked of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from camstream.errors import UsageError


@dataclass(frozen=True, slots=True)
class Codec:
    """An encoder, and what it is given where nothing else is asked for.

    Attributes:
        encoder: FFmpeg's name for it.
        crf: Constant rate factor.
        presets: What it calls its speeds.
        preset: The one that is taken.
        options: What it is always given.
        preset_option: Its option for the preset.
        tag: The codec tag that players want.
    """

    encoder: str
    crf: int
    presets: tuple[str, ...]
    preset: str
    options: dict[str, str]
    preset_option: str = "preset"
    tag: str | None = None


CodecName = Literal["h264", "hevc", "vp9", "av1"]
_X26X = [
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
]
_VP9 = {"deadline": "realtime", "row-mt": "1", "b": "0"}  # b: constant quality
CODECS: dict[CodecName, Codec] = {
    "h264": Codec("libx264", 20, (*_X26X,), "veryfast", {}),
    # QuickTime plays HEVC only under this tag.
    "hevc": Codec(
        "libx265", 24, (*_X26X,), "veryfast", {"x265-params": "log-level=none"}, tag="hvc1"
    ),
    "vp9": Codec("libvpx-vp9", 32, (*map(str, range(9)),), "6", _VP9, preset_option="cpu-used"),
    "av1": Codec("libsvtav1", 34, (*map(str, range(14)),), "10", {}),
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a video is encoded.

    Attributes:
        codec: One of CODECS; None takes H.264, or VP9 in a .webm file.
        quality: Constant rate factor, lower is better and larger; None takes the codec's.
        preset: The encoder's name for its speed (x264's and x265's words, a number for VP9 and
            AV1); None takes a fast one.
    """

    codec: CodecName | None = None
    quality: int | None = None
    preset: str | None = None

    def __post_init__(self) -> None:
        if self.codec is not None and self.codec not in CODECS:
            raise UsageError(f"no codec {self.codec!r}; there are {', '.join(CODECS)}")
