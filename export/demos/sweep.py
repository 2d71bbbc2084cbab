"""Faults in the vibration of a machine whose speed sweeps up and down.

The recordings are computed here: a shaft whose frequency sweeps, its harmonics, noise, mains hum, and
faults. The video is their sliding spectrogram, the newest column at the right. The network learns only
whether a window is OK or NG, never where in it the fault lies in time and frequency.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import signal

from camstream.picture import ImageU8, Picture
from export.demos.demo import RATE_HZ, SIZE_WH, BoxXyxy, Demo, GroundTruth, Score, Sets
from export.train.recipe import Recipe

OK, NG = "OK", "NG"
LABELS = (OK, NG)
INPUT_WH = (128, 96)  # of the network

WINDOW_S = 4.0  # the time that an image shows
_CLIP_S = 34.0

SAMPLE_HZ = 8192
TOP_HZ = SAMPLE_HZ / 2
_FFT, _HOP = 512, 64
COLUMNS_HZ = SAMPLE_HZ / _HOP
BLUR_S = _FFT / SAMPLE_HZ / 2  # the transform spreads an event so far before and after
_DB = (-75.0, -15.0)  # shown from black to white
_SWEEP_HZ = (250.0, 620.0)
_HARMONICS = (1, 2, 3, 4)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault's extent in time and frequency.

    Attributes:
        begin_s: Its beginning.
        end_s: Its end.
        low_hz: The lowest frequency that it changes.
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
        faults: Its faults, ordered by time.
    """

    levels: ImageU8
    faults: tuple[Fault, ...]

    @property
    def seconds(self) -> float:
        """Its length."""
        return float(self.levels.shape[1] / COLUMNS_HZ)

    def part(self, begin_s: float, seconds: float) -> ImageU8:
        """Return the spectrogram of a part."""
        first = round(begin_s * COLUMNS_HZ)
        return self.levels[:, first : first + round(seconds * COLUMNS_HZ)]


def record(seconds: float, random: np.random.Generator, *, faults_every_s: float) -> Run:
    """Compute a recording.

    Args:
        seconds: Its length.
        random: Decides everything random.
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
    """Add an impact: noise in a broad band that decays in a tenth of a second."""
    low_hz = random.uniform(1300, 2300)
    high_hz = low_hz + random.uniform(900, 1400)
    lasting_s = random.uniform(0.08, 0.16)
    time = np.arange(round(lasting_s * SAMPLE_HZ)) / SAMPLE_HZ
    sound = _band(low_hz, high_hz, time.size, random) * np.exp(-2.5 * time / lasting_s)
    return _add(wave, random.uniform(0.15, 0.3) * sound, begin_s, low_hz, high_hz)


def _resonance(
    wave: Floats, begin_s: float, _: Floats, __: Floats, random: np.random.Generator
) -> Fault:
    """Add a part that resonates at its own frequency, whatever the shaft's speed."""
    middle_hz = random.uniform(1500, 3600)
    low_hz, high_hz = middle_hz - 70, middle_hz + 70
    lasting_s = random.uniform(0.5, 1.0)
    size = round(lasting_s * SAMPLE_HZ)
    sound = _band(low_hz, high_hz, size, random) * signal.windows.tukey(size, 0.4)
    return _add(wave, random.uniform(0.06, 0.12) * sound, begin_s, low_hz, high_hz)


def _sidebands(
    wave: Floats, begin_s: float, shaft_hz: Floats, phase: Floats, random: np.random.Generator
) -> Fault:
    """Add a worn gear: lines at orders above the shaft's harmonics."""
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
    """Compute noise in one band, of standard deviation 1."""
    limits = signal.butter(4, (low_hz, high_hz), "bandpass", fs=SAMPLE_HZ, output="sos")
    spare = 1000  # samples until the filter has settled
    noise = signal.sosfilt(limits, random.standard_normal(size + spare))[spare:]
    return np.asarray(noise / noise.std(), np.float64)


def _add(wave: Floats, sound: Floats, begin_s: float, low_hz: float, high_hz: float) -> Fault:
    first = round(begin_s * SAMPLE_HZ)
    wave[first : first + sound.size] += sound
    return Fault(
        begin_s=begin_s,
        end_s=begin_s + sound.size / SAMPLE_HZ,
        low_hz=low_hz,
        high_hz=high_hz,
    )


def _levels(wave: Floats) -> ImageU8:
    """Compute the spectrogram in decibels, (F, T) uint8, the highest frequency first."""
    # Padded so that column k is centred on sample k * _HOP; otherwise its window begins there.
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
    displayed: ImageU8 = np.clip(np.rint(levels), 0, 255).astype(np.uint8)[::-1]
    return displayed


class WindowExamples:
    """Windows of recordings, each at a fixed time; windows between OK and NG are left out."""

    def __init__(self, runs: Sequence[Run], *, every_s: float) -> None:
        self._windows: list[tuple[Run, float]] = []
        self._classes: list[int] = []
        for run in runs:
            last_s = run.seconds - WINDOW_S
            for begin_s in np.arange(0, last_s, every_s).tolist():
                label = ground_truth(run.faults, begin_s).label
                if label is not None:
                    self._windows.append((run, begin_s))
                    self._classes.append(LABELS.index(label))

    @property
    def classes(self) -> list[int]:
        return self._classes

    def image(self, index: int, random: np.random.Generator) -> ImageU8:
        run, begin_s = self._windows[index]
        shift = random.uniform(-0.03, 0.03)
        levels = run.part(max(0.0, begin_s + shift), WINDOW_S)
        return Picture.from_bgr(draw_window(levels)).bgr(INPUT_WH)


def draw_window(levels: ImageU8) -> ImageU8:
    """Draw a window, (480, 640, 3) uint8 BGR."""
    large = cv2.resize(levels, SIZE_WH, interpolation=cv2.INTER_LINEAR)
    image = cv2.applyColorMap(large, _palette())
    ink, is_drawn = _scale()
    return np.asarray(cv2.copyTo(ink, is_drawn, image), np.uint8)


@functools.cache
def _palette() -> ImageU8:
    """Compute dull colours for 256 levels, so that heat stands out: (256, 1, 3) uint8 BGR."""
    part = np.linspace(0, 1, 256)[:, np.newaxis, np.newaxis]
    return np.rint(part ** [0.9, 1.1, 1.3] * [210, 190, 170]).astype(np.uint8)


@functools.cache
def _scale() -> tuple[ImageU8, ImageU8]:
    """Draw ticks and labels at the right edge: (480, 640, 3) uint8 BGR, and where they are."""
    width, height = SIZE_WH
    ink = np.zeros((height, width, 3), np.uint8)
    for hertz in range(1000, round(TOP_HZ), 1000):
        y = round(height * (1 - hertz / TOP_HZ))
        cv2.line(ink, (width - 8, y), (width, y), (150,) * 3, 2)
        cv2.putText(ink, f"{hertz // 1000} kHz", (width - 62, y + 5), 0, 0.45, (150,) * 3, 1)
    return ink, ink.max(axis=2)


def ground_truth(faults: Sequence[Fault], begin_s: float) -> GroundTruth:
    """Label a window: NG where it contains more than 3/4 of a fault, OK where it contains none."""
    boxes, parts = [], [0.0]
    for fault in faults:
        begin = max(fault.begin_s, begin_s)
        end = min(fault.end_s, begin_s + WINDOW_S)
        visible = (end - begin) / (fault.end_s - fault.begin_s)
        if visible <= 0:
            # Its blur may already be visible.
            near = -(end - begin) < 2 * BLUR_S
            parts.append(0.1 if near else 0.0)
            continue
        parts.append(visible)
        boxes.append(_box(fault, begin_s))
    label = None
    if max(parts) > 0.75:
        label = NG
    elif max(parts) == 0:
        label = OK
    return GroundTruth(label, tuple(boxes))


def _box(fault: Fault, begin_s: float) -> BoxXyxy:
    """Compute a fault's box in a window, pixels of the frame; the transform blurs its times."""
    width, height = SIZE_WH
    per_s = width / WINDOW_S
    left = (fault.begin_s - BLUR_S - begin_s) * per_s
    right = (fault.end_s + BLUR_S - begin_s) * per_s
    top, bottom = (height * (1 - hertz / TOP_HZ) for hertz in (fault.high_hz, fault.low_hz))
    return max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom)


@functools.cache
def clip_run() -> Run:
    """Compute the recording of the clip; no other has its seed."""
    return record(_CLIP_S, np.random.default_rng(99), faults_every_s=5.5)


def scenes() -> Iterator[tuple[ImageU8, GroundTruth]]:
    """Draw the clip: the window slides over a recording that the network was not trained on."""
    run = clip_run()
    for index in range(round((_CLIP_S - WINDOW_S) * RATE_HZ)):
        begin_s = index / RATE_HZ
        yield draw_window(run.part(begin_s, WINDOW_S)), ground_truth(run.faults, begin_s)


def _sets() -> Sets:
    def examples(seed: int, count: int, every_s: float) -> WindowExamples:
        random = np.random.default_rng(seed)
        runs = [record(60, random, faults_every_s=7.0) for _ in range(count)]
        return WindowExamples(runs, every_s=every_s)

    return Sets(examples(0, 16, 0.35), examples(1, 2, 0.5), examples(2, 5, 0.5))


def _distances(score: Score) -> list[str]:
    """Describe the distance of the peaks from the faults, in milliseconds and hertz."""
    ms = score.off_px[:, 0] / SIZE_WH[0] * WINDOW_S * 1e3
    hertz = score.off_px[:, 1] / SIZE_WH[1] * TOP_HZ
    return [
        f"it is off by {ms.mean():.0f} ms and {hertz.mean():.0f} Hz on average; nineteen of "
        f"twenty are within {np.quantile(ms, 0.95):.0f} ms and {np.quantile(hertz, 0.95):.0f} Hz"
    ]


SWEEP = Demo(
    name="sweep",
    labels=LABELS,
    background=OK,
    network="small_gap_near",
    recipe=Recipe(epochs=6, batch=32, head_lr=6e-3, weight_decay=1e-2, patience=6),
    sets=_sets,
    scenes=scenes,
    object_name="a fault",
    more_figures=_distances,
)
