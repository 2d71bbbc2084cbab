"""The keys that change what is looked for, and the line on which a class is named."""

from __future__ import annotations

import pytest

from camstream.drawing.overlay import Style
from camstream.live.controls import Controls
from camstream.maps.select import ClassGroup, Contrast, Selection
from camstream.models.classes import ClassNames

NAMES = ClassNames(["Persian cat", "tabby", "table lamp", "tent"])


def desk(selection: Selection = Selection()) -> Controls:
    return Controls(Style(), selection, NAMES, show_display=True)


def press(controls: Controls, *keys: str) -> Controls:
    for key in keys:
        controls.obey(key)
    return controls


def test_the_number_of_maps_goes_round() -> None:
    controls = desk(Selection(top_k=4))
    seen = [press(controls, "k").selection.top_k for _ in range(6)]
    assert seen == [5, 8, 1, 2, 3, 5]


def test_a_class_is_typed_completed_and_watched() -> None:
    controls = press(desk(), "/", *"tabl")
    assert controls.prompt.text == "tabl"  # type: ignore[union-attr]
    assert "table lamp" in controls.message
    assert not controls.wants_quit
    press(controls, "tab")
    assert controls.prompt.text == "table lamp"  # type: ignore[union-attr]
    press(controls, "enter")
    assert controls.prompt is None
    assert controls.selection.classes == (ClassGroup("table lamp", (2,)),)
    assert press(controls, "w").selection.classes == ()
    assert press(controls, "w").selection.classes == (ClassGroup("table lamp", (2,)),)


def test_letters_that_are_keys_elsewhere_are_typed() -> None:
    controls = press(desk(), "/", "q", "s", "backspace", "space", "?")
    assert controls.prompt.text == "q ?"  # type: ignore[union-attr]
    assert not controls.wants_quit
    press(controls, "escape")
    assert controls.prompt is None
    assert not controls.wants_quit
    assert press(controls, "escape").wants_quit


def test_an_unknown_name_is_answered_and_changes_nothing() -> None:
    controls = press(desk(Selection(top_k=3)), "/", *"tabbi", "enter")
    assert "did you mean tabby" in controls.message
    assert controls.selection == Selection(top_k=3)


def test_an_empty_name_ends_watching() -> None:
    controls = press(desk(Selection(classes=(ClassGroup("tent", (3,)),))), "/", "enter")
    assert controls.selection.classes == ()


def test_a_contrast_comes_back_as_it_was_named() -> None:
    named = Contrast((ClassGroup("tabby", (1,)), ClassGroup("tent", (3,))))
    assert press(desk(Selection(contrast=named)), "v").selection.contrast is None
    assert press(desk(Selection(contrast=named)), "v", "v").selection.contrast == named
    assert press(desk(), "v").selection.contrast == Contrast()


@pytest.mark.parametrize(("presses", "level"), [(1, "strong"), (2, "off"), (3, "default")])
def test_calm_goes_round(presses: int, level: str) -> None:
    assert press(desk(), *"m" * presses).selection.smoothing == level


def test_the_trail_goes_on_and_off() -> None:
    assert press(desk(), "t").selection.trail_s > 0
    assert press(desk(), "t", "t").selection.trail_s == 0
