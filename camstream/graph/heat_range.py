"""Measures between which map values a network's heat should be drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from camstream.errors import SourceError
from camstream.graph.quantize import sample_pictures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from camstream.graph.verify import Reference

_PICTURES = 32
_MIN_PICTURES = 8  # fewer do not show what maps reach
# Of the peaks of the best class's map, this part lies under the beginning and under the full heat.
# EfficientNet-Lite0's 14 and 40 logit units are these parts on 750 photos (docs/networks.md).
_BEGIN, _FULL = 0.04, 0.8


def measured_range(
    reference: Reference, sources: Sequence[Path], *, size_hw: tuple[int, int]
) -> tuple[float, float] | None:
    """Measure where heat begins and where it is full, logit units.

    Args:
        reference: The network.
        sources: Clips, or folders of photos and clips.
        size_hw: Its preferred input height and width, pixels.

    Returns:
        The two values; None where the pictures are too few, or hardly any map rises above 0.

    Raises:
        SourceError: There is no such file or folder, or none holds a picture.
    """
    each = max(1, _PICTURES // max(1, len(sources)))
    pictures = [
        picture for source in sources for picture in sample_pictures(source, each, size_hw=size_hw)
    ]
    if len(pictures) < _MIN_PICTURES:
        if len(sources) == 1:
            raise SourceError(
                f"{sources[0]} has {len(pictures)} pictures; to measure the range of heat takes "
                f"{_MIN_PICTURES} at least"
            )
        return None
    best = np.array([-1], np.int64)
    peaks = [float(reference(picture[np.newaxis], best)[1].max()) for picture in pictures]
    begin, full = (float(np.quantile(peaks, part)) for part in (_BEGIN, _FULL))
    if full <= 0:
        return None
    begin = max(begin, full / 10)
    digits = max(0, 2 - int(np.floor(np.log10(full))))
    begin, full = round(begin, digits), round(full, digits)
    return (begin, full) if begin < full else (round(full / 2, digits + 1), full)
