"""Any actions in any order, with possible and impossible values: nothing breaks a live session.

The session runs in a thread on an endless source, as under a page in a browser that sends actions.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_type_hints

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from camstream.errors import UsageError
from camstream.frame import Frame, Prediction
from camstream.live import actions
from camstream.live.outputs import OutputPaths
from camstream.live.session import LiveSession
from camstream.live.state import TaughtClass, TeachingState
from camstream.live.values import make
from camstream.maps.select import MAX_TOP_K
from camstream.picture import ImageU8, Picture
from camstream.testing import FAKE_INFO, FakeDisplay, FakeSource, endless, fake_infer

LIMIT_S = 20.0
NAMES = ("thing", "other", "0", "thong", "", "\x1b[31m", "\ud800", "[b]", "x" * 200, "class 3")
KEYS = (*"/nxdkvwmtcrszf?12 ab", "left", "end", "insert", "delete", "tab", "enter", "backspace")

texts = st.sampled_from(NAMES) | st.text(max_size=8)
numbers = st.sampled_from((-1, 0, 1, 2, 3, 9, 10, 99)) | st.floats(-2, 70) | st.integers(-3, 12)
anything = st.one_of(
    texts,
    numbers,
    st.none(),
    st.booleans(),
    st.just(math.nan),
    st.lists(texts | numbers, max_size=3),
    st.dictionaries(texts, numbers, max_size=2),
)
values_of = {
    name: st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(get_type_hints(kind), anything)
        | {
            field: st.sampled_from(("heatmap", "contrast", "trail", "classes", "help"))
            for field in get_type_hints(kind)
            if field == "what"
        }
        | {
            field: st.lists(st.sampled_from(NAMES), max_size=2)
            for field in get_type_hints(kind)
            if field == "names"
        },
    )
    for name, kind in actions.ACTIONS.items()
    if name != "Quit"
}


class Pupil:
    """A guest that only counts, and refuses the numbers that teaching refuses."""

    def __init__(self) -> None:
        self.frames: dict[int, int] = {}
        self.closed = 0

    @property
    def state(self) -> TeachingState:
        return TeachingState(
            tuple(
                TaughtClass(number=number, name=f"class {number}", frames=frames, is_named=False)
                for number, frames in sorted(self.frames.items())
            ),
            max(self.frames, default=None),
        )

    def do(self, action: actions.TeachAction, picture: Picture | None) -> str:
        if isinstance(action, actions.Teach) and picture is not None:
            if not 1 <= action.number <= 9:
                raise UsageError("classes 1 to 9 can be taught")
            self.frames[action.number] = self.frames.get(action.number, 0) + 1
        return type(action).__name__

    def see(self, picture: Picture) -> None:
        assert picture.size_wh == (352, 96)

    def poll(self) -> Sequence[str]:
        return ()

    def close(self) -> str:
        self.closed += 1
        return "bye"


def look(frame: Frame, *, classes: Sequence[int] | None = None) -> Prediction:
    """The model of these sessions."""
    return fake_infer(frame, classes=classes)


class Session(RuleBasedStateMachine):
    """One live session, to which actions and keys are sent from another thread."""

    @initialize(has_display=st.booleans(), has_guest=st.booleans(), records=st.booleans())
    def begin(self, has_display: bool, has_guest: bool, records: bool) -> None:
        self.folder = TemporaryDirectory()
        folder = Path(self.folder.name)
        self.source = FakeSource(endless, is_live=True)
        self.display = FakeDisplay() if has_display else None
        self.pupil = Pupil() if has_guest else None
        self.shown: ImageU8 | None = None
        if self.display is not None:
            self.display.on_show = self._look
        self.session = LiveSession(
            self.source,
            look,
            FAKE_INFO,
            device="cpu",
            outputs=OutputPaths(record=folder / "all.mp4" if records else None),
            display=self.display,
            guest=self.pupil,
            folder=folder,
        )
        self.records = records
        self.errors: list[BaseException] = []
        self.thread = threading.Thread(target=self._run, name="session")
        self.thread.start()
        self._wait(lambda: self.session.state.frame is not None)

    def _run(self) -> None:
        try:
            self.session.run()
        except BaseException as error:
            self.errors.append(error)

    def _look(self, image: ImageU8) -> None:
        self.shown = image

    def _wait(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not until():
            assert not self.errors, self.errors
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.001)

    @rule(data=st.data(), name=st.sampled_from(sorted(values_of)))
    def send_json(self, data: st.DataObject, name: str) -> None:
        values: dict[str, Any] = data.draw(values_of[name])
        try:
            action = make(name, values)
        except UsageError:
            return
        self._do(action)

    @rule(
        kind=st.sampled_from((actions.SetTopK, actions.Pause, actions.SetOpacity, actions.Teach)),
        value=anything,
    )
    def send_unchecked(self, kind: type[Any], value: object) -> None:
        """A program of somebody's own may build an action of anything."""
        self._do(kind(value))

    @rule(wrong=anything)
    def send_what_is_no_action(self, wrong: Any) -> None:
        self._do(wrong)

    @rule(keys=st.lists(st.sampled_from(KEYS), max_size=8))
    def press(self, keys: list[str]) -> None:
        if self.display is not None:
            self.display.keys += keys  # none of them quits

    def _do(self, action: Any) -> None:
        self.session.do(action)
        self.session.do(actions.SetTrail(0.5))  # a mark: what was sent before it is done
        self.session.do(actions.SetTrail(0.0))
        self._wait(self.session._asked.waiting.empty)

    @invariant()
    def the_state_is_consistent(self) -> None:
        if not hasattr(self, "session"):
            return
        assert not self.errors, self.errors
        assert self.thread.is_alive()
        state = self.session.state
        assert 1 <= state.selection.top_k <= MAX_TOP_K
        assert 0 <= state.style.heatmap_opacity <= 1
        assert 0 <= state.selection.trail_s <= 60
        assert state.display in ("short", "full", "off")
        assert {index for group in state.named_classes for index in group.indices} <= {0, 1}
        assert state.dropped >= state.passed + state.without_map
        assert state.recorded_s >= 0
        assert bool(state.recorded_s) <= bool(state.recording)
        assert state.frame is not None
        assert state.prediction is not None
        assert state.prediction.displayed
        assert state.answer is None or (0 <= state.answer.x <= 1 and 0 <= state.answer.y <= 1)
        assert "\n" not in state.message

    def teardown(self) -> None:
        if not hasattr(self, "thread"):
            return
        self.session.do(actions.Quit())
        self.thread.join(LIMIT_S)
        assert not self.thread.is_alive()
        assert not self.errors, self.errors
        assert self.source.closed == 1
        assert self.pupil is None or self.pupil.closed == 1
        assert self.display is None or self.display.closed >= 1
        assert not [one for one in threading.enumerate() if one.name.startswith("camstream")]
        left = [path.name for path in Path(self.folder.name).iterdir()]
        assert not [name for name in left if "partial" in name]
        assert not self.records or "all.mp4" in left or self.session.state.recording == ""
        self.folder.cleanup()


class TestSession(Session.TestCase):  # type: ignore[misc, valid-type]
    settings = settings(
        max_examples=5,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
