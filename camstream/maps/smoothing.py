"""Smooths scores, maps and the label over time; its time constants are in seconds, not frames.

A smoothed map or score is an exponential moving average (EMA): a value from t seconds ago has the
weight exp(-t / tau). A frame enters with 1 - exp(-dt / tau), where dt is the time since the frame
before, so the result does not depend on the frame rate. The weights are divided by their sum: the
first frame counts fully, the second brings the mean of the two.

The smoothed map of a class is a mean of that class's maps with weights that add up to 1, so the
CAM identity holds for it as well: mean(smoothed map) + bias is the logit, smoothed alike.

The displayed label changes when the smoothed score of another class has been ``margin`` times its
own for ``hold_s``. At a scene cut, at a jump of the time and when the map's size changes, all
memory is cleared, and map and label follow at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from camstream.errors import UsageError
from camstream.maps.scene_cuts import SceneCutDetector

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from camstream.picture import ImageU8, MapF32

SmoothingLevel = Literal["off", "default", "strong"]
SMOOTHING_LEVELS: tuple[SmoothingLevel, ...] = get_args(SmoothingLevel)

_LONGEST_GAP_S = 3.0  # what comes later belongs to a source that was restarted
_FORGOTTEN = 5.0  # time constants without a map, after which e^-5 of a class is left
_WANTED = 6


@dataclass(frozen=True, slots=True)
class SmoothingSettings:
    """Time constants and thresholds of the smoothing.

    Attributes:
        map_s: Time constant of the maps, seconds; 0 does not smooth them.
        score_s: Time constant of the scores, seconds; 0 does not smooth them.
        margin: The label changes to a class whose score is this many times its own, at least 1,
        hold_s: for this long, seconds.
        decay_s: Temporal maximum: a cell rises at once to the smoothed map's value and falls
            towards it with this time constant, seconds; 0 switches it off. It shows where a
            thing has been. The CAM identity does not hold for such maps.
    """

    map_s: float = 0.0
    score_s: float = 0.0
    margin: float = 1.0
    hold_s: float = 0.0
    decay_s: float = 0.0

    def __post_init__(self) -> None:
        times = (self.map_s, self.score_s, self.hold_s, self.decay_s)
        if not all(0 <= value < math.inf for value in times) or not 1 <= self.margin < math.inf:
            raise UsageError(f"times are at least 0 and the margin at least 1, not {self}")


SETTINGS: dict[SmoothingLevel, SmoothingSettings] = {
    "off": SmoothingSettings(),
    "default": SmoothingSettings(map_s=0.15, score_s=0.3, margin=1.5, hold_s=0.2),
    "strong": SmoothingSettings(map_s=0.5, score_s=0.8, margin=2.0, hold_s=0.5),
}


class Ema:
    """The exponential moving average of one array over time, see the module.

    Attributes:
        values: The average, always finite; a value that is not finite leaves it unchanged.
        at_s: When the last values came.
    """

    def __init__(self, values: NDArray[np.float32], at_s: float) -> None:
        finite = np.isfinite(values)
        if not finite.all():  # counts as no evidence, as it does where maps are drawn
            values = np.where(finite, values, min(0.0, float(values[finite].min(initial=0.0))))
        self.values, self.at_s = values, at_s
        self._weight: float | None = None  # the sum of all weights; None: of one frame only

    def add(self, values: NDArray[np.float32], at_s: float, tau_s: float) -> None:
        """Add the values of a time that is not before the last one."""
        entering = 1 - math.exp(-(at_s - self.at_s) / tau_s) if tau_s > 0 else 1.0
        if entering == 0:
            return  # the same frame once more
        if self._weight is None:
            self._weight = entering  # the first frame stands for as long a time as the second
        self._weight += entering * (1 - self._weight)
        share = entering / self._weight
        usable = np.where(np.isfinite(values), values, self.values)
        # Both weights written out: a huge value that leaves again would leave its rounding behind.
        self.values = (np.float32(1 - share) * self.values + np.float32(share) * usable).astype(
            np.float32, copy=False
        )
        self.at_s = at_s


class DecayingMax:
    """The decaying maximum of one array over time.

    Attributes:
        values: The maximum.
        at_s: When the last values came.
    """

    def __init__(self, values: NDArray[np.float32], at_s: float) -> None:
        self.values, self.at_s = values, at_s

    def add(self, values: NDArray[np.float32], at_s: float, tau_s: float) -> None:
        """Rise to the values at once, fall towards them with the time constant."""
        left = math.exp(-(at_s - self.at_s) / tau_s)
        fallen = values + np.float32(left) * (self.values - values)
        self.values = np.maximum(values, fallen).astype(np.float32, copy=False)
        self.at_s = at_s


@dataclass(frozen=True, slots=True)
class Smoothed:
    """The smoothed values of a frame.

    Attributes:
        scores: (C,) float32, smoothed softmax probabilities; their sum stays 1.
        maps: Class index to its (h, w) float32 smoothed map, logit units, of every class given.
        class_index: The label to show; not always the best of ``scores``, but always one that
            has a map in this frame, if any has.
        is_cut: Whether the memory was cleared at this frame: a scene cut, a jump of the time, or
            maps of another size. Never at the first frame, and never with smoothing off.
    """

    scores: NDArray[np.float32]
    maps: dict[int, MapF32]
    class_index: int
    is_cut: bool


@dataclass(slots=True)
class _Memory:
    """The state of the smoothing."""

    at_s: float
    scores: Ema
    displayed: int
    maps: dict[int, Ema] = field(default_factory=dict)
    maxima: dict[int, DecayingMax] = field(default_factory=dict)
    rivals: dict[int, float] = field(default_factory=dict)  # class -> since when it is ahead

    def continues(self, pts_s: float, scores: NDArray[np.float32], maps: dict[int, MapF32]) -> bool:
        """Whether a frame's time and sizes follow what is remembered."""
        shapes = {mean.values.shape for mean in self.maps.values()}
        return (
            0 <= pts_s - self.at_s <= _LONGEST_GAP_S
            and scores.shape == self.scores.values.shape
            and all(cam.shape in shapes for cam in maps.values() if shapes)
        )


class Smoother:
    """Smooths the frames of one source; needs every frame, in order.

    Attributes:
        settings: Time constants and thresholds.
    """

    def __init__(self, level: SmoothingLevel | SmoothingSettings = "default") -> None:
        """Start with no memory.

        Args:
            level: A level's name, or settings of one's own:
                ``dataclasses.replace(SETTINGS["default"], maximum_s=1.0)``.
        """
        if isinstance(level, str) and level not in SETTINGS:
            raise UsageError(
                f"no level {level!r} of smoothing; there are {', '.join(SMOOTHING_LEVELS)}"
            )
        self.settings = SETTINGS[level] if isinstance(level, str) else level
        self._is_off = self.settings == SETTINGS["off"]
        self._cuts = SceneCutDetector()
        self._memory: _Memory | None = None

    @property
    def wanted(self) -> tuple[int, ...]:
        """Classes whose maps are needed for the next frame besides the five best of that frame.

        That of the displayed label, which may have left the five best, and those of the best smoothed
        scores, so that their means have no holes; at most six.
        """
        memory = self._memory
        if memory is None:
            return ()
        scores = memory.scores.values
        count = min(_WANTED - 1, len(scores))
        best = np.argpartition(-scores, count - 1)[:count].tolist()
        return (memory.displayed, *(index for index in best if index != memory.displayed))

    def update(
        self,
        pts_s: float,
        picture_small: ImageU8,
        scores: NDArray[np.float32],
        maps: dict[int, MapF32],
    ) -> Smoothed:
        """Add a frame.

        Args:
            pts_s: Media time, seconds.
            picture_small: (H, W, 3) uint8 BGR, the picture at any size; to find cuts by.
            scores: (C,) float32 softmax probabilities of all classes; what is not finite is left
                out.
            maps: Class index to its (h, w) float32 raw map, logit units; what is not finite is
                left out. Those of the frame's best classes and of ``wanted`` should be there.

        Returns:
            The smoothed values. With smoothing off, the given arrays and the best class.
        """
        if self._is_off:
            return Smoothed(scores, maps, _best(np.nan_to_num(scores, nan=-1.0), maps), False)
        is_cut = self._cuts.is_cut(picture_small)
        memory = self._memory
        if memory is not None and not memory.continues(pts_s, scores, maps):
            is_cut = True
        if memory is None or is_cut:
            mean = Ema(scores, pts_s)
            memory = self._memory = _Memory(pts_s, mean, _best(mean.values, maps))
        else:
            memory.scores.add(scores, pts_s, self.settings.score_s)
            memory.at_s = pts_s
            memory.displayed = self._choose(memory, maps)
        smoothed_maps = {index: self._smooth_map(memory, index, cam) for index, cam in maps.items()}
        self._drop_old(memory)
        return Smoothed(memory.scores.values, smoothed_maps, memory.displayed, is_cut)

    def _smooth_map(self, memory: _Memory, index: int, cam: MapF32) -> MapF32:
        mean = memory.maps.get(index)
        if mean is None:
            mean = memory.maps[index] = Ema(cam, memory.at_s)
        else:
            mean.add(cam, memory.at_s, self.settings.map_s)
        if self.settings.decay_s == 0:
            return mean.values
        maximum = memory.maxima.setdefault(index, DecayingMax(mean.values, memory.at_s))
        maximum.add(mean.values, memory.at_s, self.settings.decay_s)
        return maximum.values

    def _drop_old(self, memory: _Memory) -> None:
        longest_s = _FORGOTTEN * max(self.settings.map_s, self.settings.decay_s)
        for index in [i for i, mean in memory.maps.items() if memory.at_s - mean.at_s > longest_s]:
            del memory.maps[index]
            memory.maxima.pop(index, None)

    def _choose(self, memory: _Memory, maps: Collection[int]) -> int:
        """Choose the label to display, one that has a map."""
        scores, now_s = memory.scores.values, memory.at_s
        if maps and memory.displayed not in maps:
            return _best(scores, maps)
        ahead = np.flatnonzero(scores > self.settings.margin * scores[memory.displayed]).tolist()
        memory.rivals = {index: memory.rivals.get(index, now_s) for index in ahead}
        held = [i for i, since in memory.rivals.items() if now_s - since >= self.settings.hold_s]
        held = [index for index in held if index in maps or not maps]
        if not held:
            return memory.displayed
        memory.rivals = {}
        return _best(scores, held)


def _best(scores: NDArray[np.float32], among: Collection[int]) -> int:
    """Return the class with the highest score among some, or among all where none is named."""
    return max(among, key=lambda index: float(scores[index])) if among else int(scores.argmax())
