"""A machine that runs up and down, and what its vibration tells of faults.

The signal is made here: a shaft whose frequency sweeps, its harmonics, noise, and mains hum; and
faults at known times and frequencies. The video is its sliding spectrogram, the newest at the
right. A window is OK or NG; where in it the fault lies, the network is never told.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import signal

from camstream.picture import ImageU8, Picture
from export.demos.demo import RATE_HZ, SIZE_WH, BoxXyxy, Demo, Sets, Truth
from export.train.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from export.demos.score import Score

OK, NG = "OK", "NG"
LABELS = (OK, NG)
INPUT_WH = (128, 96)  # of the network

SAMPLE_HZ = 8192
TOP_HZ = SAMPLE_HZ / 2
WINDOW_S = 4.0  # what a picture shows
_FFT, _HOP = 512, 64
COLUMNS_HZ = SAMPLE_HZ / _HOP
_BLUR_S = _FFT / SAMPLE_HZ / 2  # a moment is seen so much earlier and later
_DB = (-75.0, -15.0)  # shown from black to white
_SWEEP_HZ = (250.0, 620.0)
_HARMONICS = (1, 2, 3, 4)
_CLIP_S = 34.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a fault lies in time and frequency.

    Attributes:
        begin_s: Its first moment.
        end_s: Its last.
        low_hz: The lowest frequency that it adds anything to.
        high_hz: The highest.
    """

    begin_s: float
    end_s: float
    low_hz: float
    high_hz: float


@dataclass(frozen=True, slots=True)
class Run:
    """A recording.

    Attributes:
        levels: (F, T) uint8: its spectrogram in decibels, the highest frequency first.
        faults: What is wrong in it, in the order of time.
    """

    levels: ImageU8
    faults: tuple[Fault, ...]

    def window(self, begin_s: float) -> ImageU8:
        """Cut out the part that one picture shows."""
        first = round(begin_s * COLUMNS_HZ)
        return self.levels[:, first : first + round(WINDOW_S * COLUMNS_HZ)]


class WindowExamples:
    """Windows of recordings, each at a fixed time; between OK and NG there are none."""

    def __init__(self, runs: Sequence[Run], *, every_s: float) -> None:
        self._windows: list[tuple[Run, float]] = []
        self._classes: list[int] = []
        for run in runs:
            last_s = run.levels.shape[1] / COLUMNS_HZ - WINDOW_S
            for begin_s in np.arange(0, last_s, every_s).tolist():
                label = truth_of(run.faults, begin_s).label
                if label is not None:
                    self._windows.append((run, begin_s))
                    self._classes.append(LABELS.index(label))

    @property
    def classes(self) -> list[int]:
        return self._classes

    def image(self, index: int, random: np.random.Generator) -> ImageU8:
        run, begin_s = self._windows[index]
        shift = random.uniform(-0.03, 0.03)
        levels = run.window(max(0.0, begin_s + shift))
        return Picture.from_bgr(picture_of(levels)).bgr(INPUT_WH)


def record(seconds: float, random: np.random.Generator, *, faults_every_s: float) -> Run:
    """Make a recording.

    Args:
        seconds: How long.
        random: Decides all.
        faults_every_s: Mean time between two faults.
    """
    time = np.arange(round(seconds * SAMPLE_HZ)) / SAMPLE_HZ
    middle, half = np.mean(_SWEEP_HZ), (_SWEEP_HZ[1] - _SWEEP_HZ[0]) / 2
    period_s = random.uniform(9, 13)
    turn = random.uniform(0, 2 * np.pi)
    shaft_hz = middle + half * np.sin(2 * np.pi * time / period_s + turn)
    phase = 2 * np.pi * np.cumsum(shaft_hz) / SAMPLE_HZ
    wave = 0.02 * np.sin(2 * np.pi * 100 * time) + 0.012 * random.standard_normal(time.size)
    for order in _HARMONICS:
        swell = 1 + 0.5 * np.sin(2 * np.pi * time / random.uniform(2, 5) + random.uniform(0, 6))
        wave += 0.12 / order**1.3 * swell * np.sin(order * phase + random.uniform(0, 6))
    faults: list[Fault] = []
    first = int(random.integers(len(_MAKERS)))
    begin_s = random.uniform(0.3, 0.6) * faults_every_s
    while begin_s < seconds - 2:
        made = _MAKERS[(first + len(faults)) % len(_MAKERS)](wave, begin_s, shaft_hz, phase, random)
        faults.append(made)
        begin_s = made.end_s + random.uniform(0.4, 1.6) * faults_every_s
    return Run(_levels(wave), tuple(faults))


def _burst(
    wave: Floats, begin_s: float, _: Floats, __: Floats, random: np.random.Generator
) -> Fault:
    """A blow: noise in a broad band that dies away in a tenth of a second."""
    low_hz = random.uniform(1300, 2300)
    high_hz = low_hz + random.uniform(900, 1400)
    lasting_s = random.uniform(0.08, 0.16)
    time = np.arange(round(lasting_s * SAMPLE_HZ)) / SAMPLE_HZ
    sound = _band(low_hz, high_hz, time.size, random) * np.exp(-2.5 * time / lasting_s)
    return _add(wave, random.uniform(0.15, 0.3) * sound, begin_s, low_hz, high_hz)


def _resonance(
    wave: Floats, begin_s: float, _: Floats, __: Floats, random: np.random.Generator
) -> Fault:
    """A part that rings at its own frequency, whatever the shaft does."""
    middle_hz = random.uniform(1500, 3600)
    low_hz, high_hz = middle_hz - 70, middle_hz + 70
    lasting_s = random.uniform(0.5, 1.0)
    size = round(lasting_s * SAMPLE_HZ)
    sound = _band(low_hz, high_hz, size, random) * signal.windows.tukey(size, 0.4)
    return _add(wave, random.uniform(0.06, 0.12) * sound, begin_s, low_hz, high_hz)


def _sidebands(
    wave: Floats, begin_s: float, shaft_hz: Floats, phase: Floats, random: np.random.Generator
) -> Fault:
    """A worn gear: lines above the shaft's own, at orders that should not be there."""
    lasting_s = random.uniform(0.6, 1.1)
    first = round(begin_s * SAMPLE_HZ)
    part = slice(first, first + round(lasting_s * SAMPLE_HZ))
    orders = np.array([5.5, 6.0, 6.5])
    size = phase[part].size
    fade = signal.windows.tukey(size, 0.3)
    sound = sum(np.sin(order * phase[part]) for order in orders) * fade
    return _add(
        wave,
        random.uniform(0.03, 0.05) * np.asarray(sound, np.float64),
        begin_s,
        float(orders[0] * shaft_hz[part].min()),
        float(orders[-1] * shaft_hz[part].max()),
    )


_MAKERS = (_burst, _resonance, _sidebands)


def _band(low_hz: float, high_hz: float, size: int, random: np.random.Generator) -> Floats:
    """Make noise of one band, of standard deviation 1."""
    limits = signal.butter(4, (low_hz, high_hz), "bandpass", fs=SAMPLE_HZ, output="sos")
    spare = 1000  # until the filter has settled
    noise = signal.sosfilt(limits, random.standard_normal(size + spare))[spare:]
    return np.asarray(noise / noise.std(), np.float64)


def _add(wave: Floats, sound: Floats, begin_s: float, low_hz: float, high_hz: float) -> Fault:
    first = round(begin_s * SAMPLE_HZ)
    wave[first : first + sound.size] += sound
    return Fault(begin_s, begin_s + sound.size / SAMPLE_HZ, low_hz, high_hz)


def _levels(wave: Floats) -> ImageU8:
    """Compute the spectrogram in decibels, (F, T) uint8, the highest frequency first."""
    # Padded so that column k is of the moment k * _HOP, not of a window that begins there.
    _, _, size = signal.spectrogram(
        np.pad(wave, _FFT // 2),
        SAMPLE_HZ,
        window="hann",
        nperseg=_FFT,
        noverlap=_FFT - _HOP,
        detrend=False,
        scaling="spectrum",
        mode="magnitude",
    )
    decibels = 20 * np.log10(size + 1e-9)
    levels = (decibels - _DB[0]) / (_DB[1] - _DB[0]) * 255
    shown: ImageU8 = np.clip(np.rint(levels), 0, 255).astype(np.uint8)[::-1]
    return shown


def picture_of(levels: ImageU8) -> ImageU8:
    """Draw a window, (480, 640, 3) uint8 BGR."""
    large = cv2.resize(levels, SIZE_WH, interpolation=cv2.INTER_LINEAR)
    image = cv2.applyColorMap(large, _tints())
    ink, is_drawn = _scale()
    return np.asarray(cv2.copyTo(ink, is_drawn, image), np.uint8)


@functools.cache
def _tints() -> ImageU8:
    """Quiet colours for 256 levels, so that heat stands out: (256, 1, 3) uint8 BGR."""
    part = np.linspace(0, 1, 256)[:, np.newaxis, np.newaxis]
    return np.rint(part ** [0.9, 1.1, 1.3] * [210, 190, 170]).astype(np.uint8)


@functools.cache
def _scale() -> tuple[ImageU8, ImageU8]:
    """Ticks and words at the right edge: (480, 640, 3) uint8 BGR, and where it is drawn."""
    width, height = SIZE_WH
    ink = np.zeros((height, width, 3), np.uint8)
    for hertz in range(1000, round(TOP_HZ), 1000):
        y = round(height * (1 - hertz / TOP_HZ))
        cv2.line(ink, (width - 8, y), (width, y), (150,) * 3, 2)
        cv2.putText(ink, f"{hertz // 1000} kHz", (width - 62, y + 5), 0, 0.45, (150,) * 3, 1)
    return ink, ink.max(axis=2)


def truth_of(faults: Sequence[Fault], begin_s: float) -> Truth:
    """Tell what a window shows: NG from when most of a fault is in it until little is left."""
    boxes, parts = [], [0.0]
    for fault in faults:
        begin = max(fault.begin_s, begin_s)
        end = min(fault.end_s, begin_s + WINDOW_S)
        seen = (end - begin) / (fault.end_s - fault.begin_s)
        if seen <= 0:
            # Its blur may already be in sight.
            near = -(end - begin) < 2 * _BLUR_S
            parts.append(0.1 if near else 0.0)
            continue
        parts.append(seen)
        boxes.append(_box(fault, begin_s))
    label = None
    if max(parts) > 0.75:
        label = NG
    elif max(parts) == 0:
        label = OK
    return Truth(label, tuple(boxes))


def _box(fault: Fault, begin_s: float) -> BoxXyxy:
    """Where a fault is seen in a window, pixels of the frame; the transform blurs its times."""
    width, height = SIZE_WH
    per_s = width / WINDOW_S
    left = (fault.begin_s - _BLUR_S - begin_s) * per_s
    right = (fault.end_s + _BLUR_S - begin_s) * per_s
    top, bottom = (height * (1 - hertz / TOP_HZ) for hertz in (fault.high_hz, fault.low_hz))
    return max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom)


@functools.cache
def clip_run() -> Run:
    """The recording that the clip shows; no other is made with its seed."""
    return record(_CLIP_S, np.random.default_rng(99), faults_every_s=5.5)


def scenes() -> Iterator[tuple[ImageU8, Truth]]:
    """Draw the clip: the window slides over a recording that was not learnt from."""
    run = clip_run()
    for index in range(round((_CLIP_S - WINDOW_S) * RATE_HZ)):
        begin_s = index / RATE_HZ
        yield picture_of(run.window(begin_s)), truth_of(run.faults, begin_s)


def _sets() -> Sets:
    def examples(seed: int, count: int, every_s: float) -> WindowExamples:
        random = np.random.default_rng(seed)
        runs = [record(60, random, faults_every_s=7.0) for _ in range(count)]
        return WindowExamples(runs, every_s=every_s)

    return Sets(examples(0, 16, 0.35), examples(1, 2, 0.5), examples(2, 5, 0.5))


def _figures(score: Score) -> list[str]:
    """Tell the score in milliseconds and hertz."""
    ms = score.off_px[:, 0] / SIZE_WH[0] * WINDOW_S * 1e3
    hertz = score.off_px[:, 1] / SIZE_WH[1] * TOP_HZ
    return [
        f"the clip: {score.accuracy:.1%} of {score.frames} frames told right, OK or NG",
        f"the peak of the map is on a fault, in time and frequency, in {score.on_thing:.1%} of "
        f"{score.things} NG frames",
        f"it is off by {ms.mean():.0f} ms and {hertz.mean():.0f} Hz on average; nineteen of "
        f"twenty are within {np.quantile(ms, 0.95):.0f} ms and {np.quantile(hertz, 0.95):.0f} Hz",
        f"{score.hot_background} OK frames have heat",
    ]


SWEEP = Demo(
    name="sweep",
    labels=LABELS,
    background=OK,
    recipe=Recipe(epochs=6, batch=32, head_rate=6e-3, weight_decay=1e-2, patience=6),
    sets=_sets,
    scenes=scenes,
    figures=_figures,
)
