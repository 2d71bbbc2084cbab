"""Tells a receiver when a presence begins and ends, while the run goes on.

    {"event": "begin", "id": "6f1c...", "source": "camera 0", "label": "person", "score": 0.93,
     "start_s": 3.033333, "start_time": "2026-11-28T12:33:04.033+00:00"}
    {"event": "end", "id": "6f1c...", "source": "camera 0", "label": "person", "peak_score": 0.999946,
     "start_s": 3.033333, "start_time": "2026-11-28T12:33:04.033+00:00",
     "end_s": 7.633333, "end_time": "2026-11-28T12:33:08.633+00:00"}

event       "begin" as soon as a presence is long enough to count, "end" when it is over
id          the same for the two events of a presence; an event that comes twice was sent again
source      what is looked at, without passwords
label       the class that was displayed in most frames so far
score       the score at its beginning, up to 1
peak_score  the highest score of the whole presence
start_s     media time of its first frame, seconds
end_s       media time of the first frame after it, seconds
start_time  when that was by this machine's clock, UTC
end_time    likewise

The last four and ``label`` are those of ``camstream.sinks.presence``: both ask the same rule.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from camstream.errors import SinkError
from camstream.frame import Annotated, Frame
from camstream.maps.presence import PresenceRule
from camstream.safe_text import safe_text
from camstream.sinks.post import Post
from camstream.sinks.presence import PresenceEvent, PresenceEvents
from camstream.sinks.receivers import Receiver


class PresenceNews:
    """A sink that posts the events of presence; it never waits for the receiver."""

    def __init__(
        self,
        receiver: Receiver,
        source: Callable[[], str],
        rule: PresenceRule = PresenceRule(),
    ) -> None:
        """Prepare; nothing runs before the first event.

        Args:
            receiver: Gets the events; several cameras may have the same.
            source: Returns what is looked at now, without passwords.
            rule: What counts as presence.
        """
        self._post = Post(receiver.fresh())
        self._source = source
        self._events = PresenceEvents(rule)
        self._id = self._start_time = self._of = ""
        self._offset_s = 0.0  # the clock minus media time

    def write(self, annotated: Annotated) -> None:
        """Add a frame."""
        frame = annotated.prediction.frame
        events = self._events.add(annotated.prediction)
        if events:
            self._offset_s = _clock_s(frame) - frame.pts_s
        self._tell(events)

    def finish(self) -> None:
        """End the presence that goes on, and wait up to two seconds for the receiver.

        Raises:
            SinkError: Events did not arrive: how many and why.
        """
        self._tell(self._events.finish())
        if lost := self._post.close():
            raise SinkError(lost)

    def keep(self) -> None:
        """Finish after an error of the run, of which the user is told instead."""
        self._tell(self._events.finish())
        self._post.close()

    def discard(self) -> None:
        """End without a word."""
        self._post.close(0.0)

    def _tell(self, events: list[PresenceEvent]) -> None:
        for event in events:
            found = event.interval
            told: dict[str, object] = {"event": "end" if event.is_end else "begin"}
            if not event.is_end:
                self._id, self._start_time = uuid.uuid4().hex, self._time(found.start_s)
                self._of = self._source()  # its end is told of the same, whatever is open then
            told |= {"id": self._id, "source": self._of, "label": safe_text(event.label)}
            told["peak_score" if event.is_end else "score"] = round(found.peak_score, 6)
            told |= {"start_s": round(found.start_s, 6), "start_time": self._start_time}
            if event.is_end:
                told |= {"end_s": round(found.end_s, 6), "end_time": self._time(found.end_s)}
            self._post.put(told)

    def _time(self, pts_s: float) -> str:
        when = datetime.fromtimestamp(self._offset_s + pts_s, UTC)
        return when.isoformat(timespec="milliseconds")


def _clock_s(frame: Frame) -> float:
    """When a frame arrived, by the machine's clock, seconds."""
    return time.time() - (time.perf_counter() - frame.captured_s)
