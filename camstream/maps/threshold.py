"""Where a box ends: the value of an enlarged map above which places belong to the thing."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from camstream.picture import MapF32

Threshold = Callable[["MapF32"], float]

PAPER_RATIO = 0.2
PAPER_RULE = "20%"  # the same as it is written on the command line


def ratio_threshold(fine: MapF32, ratio: float = PAPER_RATIO) -> float:
    """Give the value at a part of the map's maximum; negative values count as no evidence.

    Args:
        fine: (H', W') float32, logit units.
        ratio: 0 to 1.

    Source: Zhou et al. 2016, section 3.2, with 0.2.
    """
    return max(0.0, float(fine.max())) * ratio


def percentile_threshold(fine: MapF32, percentile: float) -> float:
    """Give the value that so many percent of the enlarged map lie below, and at least 0.

    Args:
        fine: (H', W') float32, logit units.
        percentile: 0 to 100; 80 keeps a fifth of the frame, whatever the values.
    """
    return max(0.0, float(np.percentile(fine, percentile)))


def describe(text: str) -> str:
    """Say a threshold in words; ``text`` is one that ``parse_threshold`` reads."""
    if text[:1] in ("p", "P"):
        return f"percentile {float(text[1:]):g}"
    value = float(text[:-1]) if text[-1:] == "%" else 100 * float(text)
    return f"{value:g} % rule"


def parse_threshold(text: str) -> Threshold:
    """Read a threshold as it is written on the command line.

    Args:
        text: "0.2" or "20%" is a part of the map's maximum, above 0 and below 1; "p80" a
            percentile, above 0 and below 100.

    Returns:
        What gives the value for an enlarged map.

    Raises:
        ValueError: It is neither.
    """
    is_percentile = text[:1] in ("p", "P")
    is_percent = not is_percentile and text[-1:] == "%"
    number = text[1:] if is_percentile else text.removesuffix("%") if is_percent else text
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not 0 < value < (100 if is_percentile or is_percent else 1):
        raise ValueError(
            "a box threshold is a part of the map's maximum, such as 20% or 0.2, or a "
            f"percentile of it, such as p80; not {text!r}"
        )
    if is_percentile:
        return functools.partial(percentile_threshold, percentile=value)
    return functools.partial(ratio_threshold, ratio=value / 100 if is_percent else value)
