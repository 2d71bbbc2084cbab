"""Where a coded video can be read from: pictures after which nothing needs what came before them.

A key frame's flag does not say that. H.264 knows recovery points that become right after some
frames, or never exactly; these are told apart by the picture's own bytes (ITU-T H.264, 7.4.1 and
D.2.8). In H.265 every intra random access point will do (ITU-T H.265, 7.4.2.2), and in the other
codecs here every key frame. Pictures that are displayed before such a point and decoded after it may
still need the ones before it ("open GOP"): so reading begins one point earlier than what is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator

# Codecs whose key frames are such points. The first line knows nothing but key frames.
_BY_FLAG = frozenset(
    [
        "mjpeg",
        "prores",
        "dnxhd",
        "rawvideo",
        "huffyuv",
        "ffvhuff",
        "utvideo",
        "png",
        "qtrle",
        "mpeg1video",
        "mpeg2video",
        "mpeg4",
        "vp8",
        "vp9",
        "av1",
        "theora",
        "h263",
    ]
)
_H264_IDR, _H264_SEI, _H264_SLICES = 5, 6, (1, 2, 5)
_RECOVERY_POINT = 6
_H265_IRAP = range(16, 22)


class RandomAccess:
    """Says which key frames of one stream are random access points."""

    def __init__(self, codec: str, extradata: bytes | None) -> None:
        """Begin.

        Args:
            codec: FFmpeg's name of the decoder.
            extradata: Of the stream; says how packets are laid out.
        """
        self._codec = codec
        self._length_size = _length_size(codec, extradata or b"")

    @property
    def is_known(self) -> bool:
        """Whether anything can be said of this codec."""
        return self._codec in _BY_FLAG or self._codec in ("h264", "hevc")

    def is_point(self, packet: bytes) -> bool:
        """Say whether a packet with the flag of a key frame is one."""
        if self._codec == "h264":
            return self._is_h264_point(packet)
        if self._codec == "hevc":
            kinds = [(unit[0] >> 1) & 0x3F for unit in self._units(packet)]
            coded = [kind for kind in kinds if kind < 32]  # the others hold no picture
            return bool(coded) and all(kind in _H265_IRAP for kind in coded)
        return self._codec in _BY_FLAG

    def _is_h264_point(self, packet: bytes) -> bool:
        is_exact = False
        for unit in self._units(packet):
            kind = unit[0] & 0x1F
            if kind == _H264_IDR:
                return True
            if kind == _H264_SEI:
                is_exact = is_exact or _has_exact_recovery(unit[1:])
            elif kind in _H264_SLICES:
                return is_exact
        return False

    def _units(self, packet: bytes) -> Iterator[bytes]:
        """Give the NAL units of a packet that are not empty."""
        if not self._length_size:
            for part in packet.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]:
                if part:
                    yield part
            return
        at = 0
        while at + self._length_size < len(packet):
            size = int.from_bytes(packet[at : at + self._length_size], "big")
            at += self._length_size
            if size:
                yield packet[at : at + min(size, 4096)]  # a picture's first bytes say enough
            at += size


def _length_size(codec: str, extradata: bytes) -> int:
    """Return how many bytes of length stand before a unit; 0: start codes divide them."""
    if codec == "h264" and len(extradata) > 4 and extradata[0] == 1:
        return (extradata[4] & 3) + 1
    if codec == "hevc" and len(extradata) > 21 and extradata[0] == 1:
        return (extradata[21] & 3) + 1
    return 0


def _has_exact_recovery(sei: bytes) -> bool:
    """Say whether a message tells of a point from which on everything is exact at once."""
    data = sei.replace(b"\0\0\3", b"\0\0")
    at = 0
    while at + 2 <= len(data) and data[at:] != b"\x80":
        kind, at = _sum_of_bytes(data, at)
        size, at = _sum_of_bytes(data, at)
        if kind == _RECOVERY_POINT and at < len(data):
            # recovery_frame_cnt is 0, written "1"; then exact_match_flag.
            return data[at] & 0xC0 == 0xC0
        at += size
    return False


def _sum_of_bytes(data: bytes, at: int) -> tuple[int, int]:
    total = 0
    while at < len(data) and data[at] == 0xFF:
        total, at = total + 255, at + 1
    return (total + data[at] if at < len(data) else total), at + 1
