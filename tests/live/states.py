"""States of a live session that never ran."""

from __future__ import annotations

import dataclasses
from typing import Any

from camstream.drawing.overlay import Style
from camstream.live.state import LiveState
from camstream.maps.select import Contrast, Selection
from camstream.models.classes import ClassNames
from camstream.testing import FAKE_INFO

_STATE = LiveState(
    style=Style(),
    selection=Selection(),
    info=FAKE_INFO,
    names=ClassNames(["Persian cat", "tabby", "table lamp", "tent"]),
    device="cpu",
    source="camera 0",
    source_rate_hz=30.0,
)


def state_of(selection: Selection = Selection(), **attributes: Any) -> LiveState:
    """Make the state in which a session with this selection begins, with other attributes."""
    return dataclasses.replace(
        _STATE,
        selection=selection,
        named_classes=selection.classes,
        named_contrast=selection.contrast or Contrast(),
        **attributes,
    )
