"""Memory while annotating a long 1080p clip: python tests/benchmarks/memory.py [FRAMES]."""

from __future__ import annotations

import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import cv2

import camstream
from camstream.annotation import AnnotationJob, run
from camstream.commands.demo import sample_clip
from camstream.frame import Prediction
from camstream.sinks.encoding import Encoding
from camstream.sinks.video import VideoFile
from camstream.sources.file import FileSource

_LIMIT_MB = 700


def resident_mb() -> float:
    """Resident memory of this process (Linux), megabytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    raise RuntimeError("no VmRSS")


def make_clip(path: Path, frames: int) -> None:
    """Repeat the sample, enlarged, until there are enough frames."""
    sink = VideoFile(path, encoding=Encoding(preset="ultrafast"), rate_hz=30)
    written = 0
    while written < frames:
        source = FileSource(sample_clip())
        for frame in source:
            picture = frame.picture.resized((1920, 1080))
            picture.video_frame.pts = written * 3000
            picture.video_frame.time_base = Fraction(1, 90_000)
            sink.write_picture(picture)
            written += 1
            if written == frames:
                break
        source.close()
    sink.finish()


def main() -> None:
    """Print resident memory along a clip."""
    cv2.setNumThreads(1)
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    model = camstream.load_model()
    memory_mb: dict[int, float] = {}

    def on_frame(prediction: Prediction, _: int | None) -> None:
        index = prediction.frame.index
        if index in (30, 300, 1000, 2000, frames - 1):
            memory_mb[index] = resident_mb()
            print(f"frame {index}: {memory_mb[index]:.0f} MB", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        make_clip(clip, frames)
        run(AnnotationJob(source=clip, output=Path(folder) / "out.mp4"), model, on_frame=on_frame)
    last = memory_mb[frames - 1]
    print(
        f"frame {frames - 1} / frame 300: {last / memory_mb[300]:.3f}; "
        f"{last:.0f} MB (wanted: constant, < {_LIMIT_MB} MB)"
    )


if __name__ == "__main__":
    main()
