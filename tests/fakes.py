"""The fakes of ``camstream.testing`` under the short names that tests use."""

from __future__ import annotations

from camstream.testing import (
    FAKE_INFO as INFO,
)
from camstream.testing import (
    FakeDisplay,
    FakeSource,
    counted,
    endless,
    make_frame,
)
from camstream.testing import (
    fake_infer as predict,
)

__all__ = ["INFO", "FakeDisplay", "FakeSource", "counted", "endless", "make_frame", "predict"]
