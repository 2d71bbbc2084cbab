"""What a viewer is told first: what may be done, and what there is to choose from."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import camstream
from camstream.drawing.overlay import COLORMAPS
from camstream.live import actions
from camstream.live.help import HELP
from camstream.maps.smoothing import SMOOTHING_LEVELS
from camstream.sources.player import SPEEDS

if TYPE_CHECKING:
    from camstream.live.state import LiveState

NOT_FROM_A_PAGE = (actions.Quit, actions.ToggleFullscreen)
ACTIONS = [name for name, kind in actions.ACTIONS.items() if kind not in NOT_FROM_A_PAGE]
_OF_THE_WINDOW = ("click", "F11", "i", "q")  # keys that a page does not have, or in another way
_INPUT_SIZES = (224, 320, 448)  # those of the README's figures


def greeting(state: LiveState | None, *, can_control: bool) -> dict[str, Any]:
    """Return the values of the message "hello"; docs/manual/web.md explains each."""
    return {
        "can_control": can_control,
        "version": camstream.__version__,
        "actions": ACTIONS if can_control else [],
        "classes_total": 0 if state is None else len(state.info.labels),
        "choices": {
            "colormaps": COLORMAPS,
            "smoothings": SMOOTHING_LEVELS,
            "speeds": SPEEDS,
            "input_sizes": _INPUT_SIZES,
        },
        "help": [dataclasses.asdict(row) for row in HELP if row.keys not in _OF_THE_WINDOW],
    }
