"""Damages bytes: of any file, and at the places that steer a reader of a container."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from random import Random

# What readers get wrong: signs, limits, sizes that do not fit.
_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000)
_NUMBERS_64 = (*_NUMBERS, 0xFFFF_FFFF, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)

# Names of the parts that hold sizes, times, rates and counts, in every kind of file of the corpus.
_NAMES = (
    *(b"ftyp", b"moov", b"mvhd", b"trak", b"tkhd", b"mdhd", b"hdlr", b"stsd", b"stts", b"ctts"),
    *(b"stsc", b"stsz", b"stco", b"stss", b"elst", b"avc1", b"avcC", b"mp4a", b"esds", b"colr"),
    *(b"moof", b"traf", b"tfhd", b"trun", b"mdat", b"udta", b"tx3g", b"mp4v", b"pasp"),
    *(b"RIFF", b"avih", b"strh", b"strf", b"movi", b"idx1", b"00dc", b"01wb", b"vids", b"auds"),
    *(b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b"),
    *(b"\x1f\x43\xb6\x75", b"\x2a\xd7\xb1", b"\x44\x89", b"V_VP9", b"V_MPEG4", b"A_OPUS"),
    *(b"GIF89a", b"NETSCAPE2.0", b"\x21\xf9\x04", b"\x47\x40", b"\x47\x41", b"\x00\x00\x01"),
    *(b"IHDR", b"IDAT", b"eXIf", b"pHYs", b"iCCP", b"VP8 ", b"VP8L", b"VP8X", b"EXIF", b"Exif"),
    *(b"II*\x00", b"MM\x00*", b"\xff\xc0", b"\xff\xc4", b"\xff\xda", b"\xff\xdb", b"\xff\xe1"),
    *(b"PAR1", b"PK\x03\x04", b"PK\x01\x02", b"data.pkl"),
)
_PNG = b"\x89PNG\r\n\x1a\n"
_HEAD = 1024  # bytes at either end where headers and indices are

Change = Callable[[bytearray, Random], None]


def mutate(data: bytes, rng: Random) -> bytes:
    """Damage bytes by one to eight changes.

    Args:
        data: A whole file.
        rng: Decides everything.

    Returns:
        The damaged file; seldom equal to the whole one.
    """
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 5, 8))):
        if changed:
            rng.choice(_CHANGES)(changed, rng)
    if changed.startswith(_PNG) and rng.random() < 0.7:
        _renew_checksums(changed)
    return bytes(changed)


def truncate(data: bytes, rng: Random) -> bytes:
    """Cut a file off anywhere, also before its first byte."""
    return data[: rng.randrange(len(data))]


def _renew_checksums(png: bytearray) -> None:
    """Make the checksums of a PNG file right, or no reader would look at what was changed."""
    at = len(_PNG)
    while at + 12 <= len(png):
        end = at + 8 + int.from_bytes(png[at : at + 4], "big")
        if end + 4 > len(png):
            return
        png[end : end + 4] = zlib.crc32(png[at + 4 : end]).to_bytes(4, "big")
        at = end + 4


def _place(data: bytearray, rng: Random) -> int:
    """Somewhere in the file, half the time near one of its ends."""
    at = rng.randrange(len(data))
    if rng.random() < 0.5:
        near = rng.randrange(min(_HEAD, len(data)))
        at = near if rng.random() < 0.6 else len(data) - 1 - near
    return at


def _flip(data: bytearray, rng: Random) -> None:
    data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _set(data: bytearray, rng: Random) -> None:
    data[_place(data, rng)] = rng.randrange(256)


def _write_number(data: bytearray, at: int, rng: Random) -> None:
    width = rng.choice((1, 2, 4, 4, 8))
    value = rng.choice(_NUMBERS_64) & ((1 << 8 * width) - 1)
    number = value.to_bytes(width, rng.choice(("big", "little")))
    data[at : at + width] = number[: len(data) - at]


def _number(data: bytearray, rng: Random) -> None:
    _write_number(data, _place(data, rng), rng)


def _number_at_a_name(data: bytearray, rng: Random) -> None:
    """Write a number near the name of a part: its size before, its values behind."""
    there = [name for name in _NAMES if name in data]
    if not there:
        _number(data, rng)
        return
    name = rng.choice(there)
    places = [at for at in range(len(data)) if data.startswith(name, at)][:64]
    at = rng.choice(places) + rng.choice((-4, len(name), rng.randrange(-4, 64)))
    _write_number(data, min(max(at, 0), len(data) - 1), rng)


def _delete(data: bytearray, rng: Random) -> None:
    at = _place(data, rng)
    del data[at : at + rng.choice((1, 2, 4, 16, 188, 1000))]


def _insert(data: bytearray, rng: Random) -> None:
    at = _place(data, rng)
    data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 16, 188, 1000)))


def _blank(data: bytearray, rng: Random) -> None:
    at, length = _place(data, rng), rng.choice((4, 16, 188, 1000))
    end = min(at + length, len(data))
    data[at:end] = bytes([rng.choice((0, 0xFF))]) * (end - at)


def _repeat(data: bytearray, rng: Random) -> None:
    start, length = _place(data, rng), rng.choice((4, 16, 188, 1000))
    at = _place(data, rng)
    data[at:at] = data[start : start + length] * rng.choice((1, 1, 2, 20))


def _swap(data: bytearray, rng: Random) -> None:
    one, other, length = _place(data, rng), _place(data, rng), rng.choice((4, 16, 188))
    first, second = data[one : one + length], data[other : other + length]
    both = min(len(first), len(second))
    data[one : one + both], data[other : other + both] = second[:both], first[:both]


def _cut(data: bytearray, rng: Random) -> None:
    del data[_place(data, rng) :]


def _join(data: bytearray, rng: Random) -> None:
    """Append the file to itself, as recorders and joiners do."""
    data += data[: rng.choice((len(data), len(data), rng.randrange(len(data))))]


_CHANGES: tuple[Change, ...] = (
    *(_flip, _flip, _set, _number, _number),
    *(_number_at_a_name,) * 5,
    *(_delete, _insert, _blank, _repeat, _swap, _cut, _join),
)
