"""A vibration made here: a shaft whose frequency sweeps, its harmonics, noise, mains hum, faults."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from camstream.picture import ImageU8

SAMPLE_HZ = 8192
TOP_HZ = SAMPLE_HZ / 2
_FFT, _HOP = 512, 64
COLUMNS_HZ = SAMPLE_HZ / _HOP
BLUR_S = _FFT / SAMPLE_HZ / 2  # a moment is seen so much earlier and later
_DB = (-75.0, -15.0)  # shown from black to white
_SWEEP_HZ = (250.0, 620.0)
_HARMONICS = (1, 2, 3, 4)

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

    @property
    def seconds(self) -> float:
        """How long it is."""
        return float(self.levels.shape[1] / COLUMNS_HZ)

    def part(self, begin_s: float, seconds: float) -> ImageU8:
        """Cut a part out."""
        first = round(begin_s * COLUMNS_HZ)
        return self.levels[:, first : first + round(seconds * COLUMNS_HZ)]


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
    displayed: ImageU8 = np.clip(np.rint(levels), 0, 255).astype(np.uint8)[::-1]
    return displayed
