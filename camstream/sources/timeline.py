"""One clock for a file whose own clock jumps, as that of joined or wrapped transport streams does.

The offset is kept as the program ffmpeg keeps it, with one difference: the picture alone decides
where a jump is and how far it goes, so that its frames follow evenly. Two readers of one file,
the one that decodes the picture and the one that copies sound and subtitles, get the same times.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from av import Packet

# As ffmpeg has them: a step back of more than a tenth of a second is a jump in any file, a step
# forward of more than ten only in files whose format allows jumps, such as transport streams.
_BACK_S = Fraction(1, 10)
_FORWARD_S = 10
# Sound is read up to this far from the picture that it belongs to; nearer is no proof of a jump.
_APART_S = 1
_HELD_S = 3  # how far the picture may go on while others wait for it to jump


@dataclass(frozen=True, slots=True)
class Jump:
    """A place where the clock jumps.

    Attributes:
        at_s: The time of the first picture after it, on the even clock, seconds.
        offset_s: Seconds added to the file's own times from there on.
    """

    at_s: Fraction
    offset_s: Fraction


@dataclass(slots=True)
class _Place:
    """How far a stream other than the picture has come.

    Attributes:
        part: The number of jumps that it is behind.
        own_s: Added to its times where it jumped alone, seconds.
        next_s: The file's own time that its next packet should have; None before the first.
        end_s: Where the last packet that was given ends, on the even clock.
        is_new: Whether its part has just begun.
    """

    part: int = 0
    own_s: Fraction = Fraction(0)
    next_s: Fraction | None = None
    end_s: Fraction = Fraction(0)
    is_new: bool = False


@dataclass(slots=True)
class Timeline:
    """Moves the times of packets onto one clock that goes on after a jump.

    Attributes:
        leader: Index of the stream that decides: the picture.
        shift_s: Seconds that the whole clock starts earlier.
        has_jumps: Whether the file's format allows jumps, see above.
        jumps: Those that were found so far.
    """

    leader: int
    shift_s: Fraction = Fraction(0)
    has_jumps: bool = False
    jumps: list[Jump] = field(default_factory=list)
    _next_s: Fraction | None = None  # the leader's next time, in the file's own time
    _now_s: Fraction = Fraction(0)  # the leader's latest time, on the even clock
    _places: dict[int, _Place] = field(default_factory=dict)

    @property
    def offset_s(self) -> Fraction:
        """Seconds that are added to the picture's times now."""
        return self._offset_s(len(self.jumps))

    def corrected(self, packets: Iterable[Packet[Any]]) -> Iterator[Packet[Any]]:
        """Move the times of packets; those of the leader must be among them.

        Args:
            packets: In the order of the file. They are changed.

        Yields:
            The same packets, in order in each stream. What jumps before the picture does waits
            for it. The sound of one part that lies over the end of the part before is left out.
        """
        waiting: deque[Packet[Any]] = deque()
        since_s = Fraction(0)
        for packet in packets:
            if packet.pts is None and packet.dts is None:  # the flush at the end
                yield from self._free(waiting)
                yield packet
            elif packet.stream_index == self.leader:
                self._lead(packet)
                yield packet
                if waiting:
                    yield from self._retry(waiting)
                if self._now_s - since_s > _HELD_S:
                    yield from self._free(waiting)
            else:
                since_s = since_s if waiting else self._now_s
                waiting.append(packet)
                yield from self._retry(waiting)
        yield from self._free(waiting)

    def _offset_s(self, part: int) -> Fraction:
        return (self.jumps[part - 1].offset_s if part else Fraction(0)) - self.shift_s

    def _lead(self, packet: Packet[Any]) -> None:
        """Move a packet of the picture; find a jump before it."""
        if packet.dts is not None:
            base = packet.time_base
            at_s, duration_s = packet.dts * base, (packet.duration or 0) * base
            if self._next_s is not None and self._is_jump(at_s - self._next_s):
                now_s = self._next_s + self.offset_s
                self.jumps.append(Jump(now_s, now_s - at_s + self.shift_s))
            self._next_s = at_s + duration_s
            self._now_s = at_s + self.offset_s
        _move(packet, self.offset_s)

    def _is_jump(self, step_s: Fraction) -> bool:
        return step_s < -_BACK_S or (self.has_jumps and step_s > _FORWARD_S)

    def _follow(self, packet: Packet[Any], *, alone: bool = False) -> bool | None:
        """Move a packet of another stream.

        Args:
            packet: Of another stream than the leader's.
            alone: Do not wait for the picture any more.

        Returns:
            Whether it is wanted; None where the picture has yet to decide.
        """
        place = self._places.setdefault(packet.stream_index, _Place())
        base = packet.time_base
        at = packet.dts if packet.dts is not None else packet.pts
        assert at is not None  # ``corrected`` lets flushes through
        at_s, duration_s = at * base, (packet.duration or 0) * base
        jumped = place.next_s is not None and self._is_jump(at_s - place.next_s)
        later = range(place.part + 1, len(self.jumps) + 1)
        distances = {part: abs(at_s + self._offset_s(part) - self._now_s) for part in later}
        here_s = abs(at_s + self._offset_s(place.part) + place.own_s - self._now_s)
        best = min(distances, key=distances.__getitem__, default=None)
        if best is not None and (jumped or distances[best] + _APART_S < here_s):
            place.part, place.own_s = best, Fraction(0)
            place.is_new = True
        elif jumped and not alone:
            return None
        elif jumped and place.next_s is not None:
            place.own_s += place.next_s - at_s
        place.next_s = at_s + duration_s
        offset_s = self._offset_s(place.part) + place.own_s
        if place.is_new and at_s + offset_s < place.end_s - duration_s / 2:
            return False
        place.is_new = False
        place.end_s = at_s + duration_s + offset_s
        _move(packet, offset_s)
        return True

    def _retry(self, waiting: deque[Packet[Any]]) -> Iterator[Packet[Any]]:
        """Give the packets that need not wait any more."""
        still: set[int] = set()
        for _ in range(len(waiting)):
            packet = waiting.popleft()
            wanted = None if packet.stream_index in still else self._follow(packet)
            if wanted:
                yield packet
            elif wanted is None:
                still.add(packet.stream_index)
                waiting.append(packet)

    def _free(self, waiting: deque[Packet[Any]]) -> Iterator[Packet[Any]]:
        """Give all packets that wait: the picture does not jump with them."""
        while waiting:
            packet = waiting.popleft()
            if self._follow(packet, alone=True):
                yield packet


def _move(packet: Packet[Any], by_s: Fraction) -> None:
    ticks = round(by_s / packet.time_base)
    if packet.pts is not None:
        packet.pts += ticks
    if packet.dts is not None:
        packet.dts += ticks
