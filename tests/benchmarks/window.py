"""What a window costs: the rate at which a 4K clip is shown in one, and without.

    xvfb-run -s "-screen 0 1600x1000x24" python -m tests.benchmarks.window CLIP

CLIP is enlarged to 3840x2160 at 30 frames a second, into the temporary folder. Both runs are of one process,
one after the other; the ratio printed is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av

from camstream.live.outputs import RunLimits
from camstream.live.session import LiveSession
from camstream.models.zoo import load_model
from camstream.sinks.window import Window
from camstream.sources.play import open_live

WANTED = 0.9
SIZE_WH = (3840, 2160)
SECONDS = 8.0
_COUNT = 240


def enlarge(clip: Path, target: Path) -> None:
    """Write the first frames of a clip as 4K H.264."""
    with av.open(str(clip)) as source, av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE_WH, "yuv420p"
        for index, decoded in enumerate(source.decode(video=0)):
            if index == _COUNT:
                break
            frame = decoded.reformat(*SIZE_WH, "yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def rate_hz(clip: Path, *, with_window: bool) -> float:
    """Play a clip again and again for some seconds; returns the frames shown a second."""
    model = load_model()
    display = Window("benchmark") if with_window else None
    session = LiveSession(
        open_live(str(clip), stays=True, is_looping=True),
        model.infer,
        model.info,
        device=model.device,
        display=display,
        limits=RunLimits(seconds=SECONDS),
    )
    return session.run().rate_hz


def main() -> int:
    """Print the rates and their ratio; 1 where a window costs too much."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "uhd.mp4"
        enlarge(given.clip, large)
        ratios = []
        for _ in range(given.rounds):
            without, within = (rate_hz(large, with_window=on) for on in (False, True))
            ratios.append(within / without)
            print(f"4K: {without:.1f} fps without a window, {within:.1f} in one: {ratios[-1]:.2f}")
    ratio = statistics.median(ratios)
    print(f"median {ratio:.2f} (wanted {WANTED})")
    return 0 if ratio >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
