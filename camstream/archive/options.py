"""What is asked of an archive, as the command, the workers and the notes of what was done have it."""

from __future__ import annotations

from dataclasses import dataclass

from camstream.models.zoo import DEFAULT_MODEL

DEFAULT_RATE_HZ = 2.0
DEFAULT_PART_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LookOptions:
    """What changes the result, besides the model's file.

    Attributes:
        classes: Classes or groups to look for, by name.
        input_size: See ``Model``.
        refine: See ``Model``.
        rate_hz: Frames a second to look at; None: every frame.
        video: Whether the annotated video is made.
        maps: Whether the raw maps are kept.
    """

    classes: tuple[str, ...] = ()
    input_size: int | None = None
    refine: bool = False
    rate_hz: float | None = DEFAULT_RATE_HZ
    video: bool = False
    maps: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What a worker is started with.

    Attributes:
        look: What changes the result.
        target: The archive's folder, or its address.
        model: Its name or path.
        device: See ``Model``.
        threads: CPU threads of the model; None: as one process alone.
        part_s: Length of a part of a long video, seconds; 0: videos are not cut.
    """

    look: LookOptions
    target: str
    model: str = DEFAULT_MODEL
    device: str = "auto"
    threads: int | None = None
    part_s: float = DEFAULT_PART_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """One input.

    Attributes:
        id: What it is called in the archive.
        given: Its path or address as it was given.
        source: Its absolute path, or its address.
        size: Of the file before the work, bytes.
        mtime_ns: When that was written last, nanoseconds since 1970; 0: unknown.
    """

    id: str
    given: str
    source: str
    size: int
    mtime_ns: int
