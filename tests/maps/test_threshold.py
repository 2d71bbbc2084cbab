"""Where a box ends, as it is written on the command line."""

from __future__ import annotations

import numpy as np
import pytest

from camstream.maps.threshold import parse_threshold


@pytest.mark.parametrize(
    ("text", "value"), [("0.2", 19.8), ("20%", 19.8), ("2.5%", 2.475), ("p80", 79.2), ("P80", 79.2)]
)
def test_as_written(text: str, value: float) -> None:
    fine = np.arange(100, dtype=np.float32).reshape(10, 10)
    assert parse_threshold(text)(fine) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    ["", "0", "1", "-0.2", "%", "0%", "100%", "p", "p0", "p100", "pnan", "nan%", "high", "p8%"],
)
def test_odd_ones_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a box threshold is"):
        parse_threshold(text)
