"""Annotates files in the children of a pool: the model is opened once, then a job a task."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Any

from camstream.annotation import AnnotationJob, AnnotationResult, run
from camstream.api import make_selection
from camstream.batch.messages import plain, record
from camstream.batch.seen import Seen
from camstream.batch.task import Json
from camstream.batch.worker import Control
from camstream.frame import Prediction
from camstream.graph.trial import ensure_tried, sha256_of
from camstream.models import second_look
from camstream.models.device import PROVIDERS
from camstream.models.session import Model
from camstream.models.zoo import find_model

WORK = f"{__name__}:open_work"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a child opens.

    Attributes:
        model: As for ``camstream.models.zoo.load_model``; so are the next four.
        device: See there.
        input_size: See there.
        refine: See there.
        zoom: See there.
        selection: Keywords of ``camstream.api.make_selection``.
        threads: That run the model; see ``Model``.
    """

    model: str
    device: str = "auto"
    input_size: int | None = None
    refine: bool = False
    zoom: bool = False
    selection: dict[str, Any] = dataclasses.field(default_factory=dict)
    threads: int | None = None

    def open(self) -> Model:
        """Open the model.

        Raises:
            CamstreamError: It cannot be opened.
        """
        model = Model(
            find_model(self.model),
            device=self.device,
            threads=self.threads,
            input_size=self.input_size,
            refine=self.refine,
            zoom=self.zoom,
        )
        if self.zoom:
            second_look.check(model.info)
        return model


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What is told of an annotated file.

    Attributes:
        output: The video.
        frames: How many it has.
        rate_hz: Frames a second.
        seen: Which labels, in words.
        warnings: See ``AnnotationResult``; so are the last three.
        is_damaged: See there.
        is_stopped: See there.
        end_s: See there.
    """

    output: str
    frames: int
    rate_hz: float
    seen: str
    warnings: tuple[str, ...]
    is_damaged: bool
    is_stopped: bool
    end_s: float

    @classmethod
    def of(cls, job: AnnotationJob, result: AnnotationResult, seen: Seen) -> Summary:
        """Sum a result up."""
        return cls(
            output=str(job.output),
            frames=result.stats.frames_out,
            rate_hz=result.stats.rate_hz,
            seen=str(seen),
            warnings=result.warnings,
            is_damaged=result.is_damaged,
            is_stopped=result.is_stopped,
            end_s=result.end_s,
        )


class Annotating:
    """The work: one model, and a job at a time."""

    def __init__(self, opening: Opening) -> None:
        """Open the model.

        Raises:
            CamstreamError: It cannot be opened, or has no such class.
        """
        self._model = opening.open()
        self._selection = make_selection(self._model, **opening.selection)
        self.about = about_model(self._model)

    def run(self, message: Json, control: Control) -> Json:
        """Annotate one file; the message is a job, with paths as text and no selection."""
        job = dataclasses.replace(record(message, AnnotationJob), selection=self._selection)
        seen = Seen()
        frames = 0

        def on_frame(prediction: Prediction, total: int | None) -> None:
            nonlocal frames
            frames += 1
            seen.add(prediction)
            control.progress(frames, total, prediction.top[0].label)

        result = run(job, self._model, on_frame=on_frame, stop=control.is_stopped)
        summary: Json = plain(Summary.of(job, result, seen))
        return summary


def about_model(model: Model) -> Json:
    """Return what a worker tells of its model."""
    return {
        "model": model.info.name,
        "device": model.device,
        "provider": PROVIDERS[model.device],
        "gpu_problem": model.gpu_problem,
    }


def open_work(options: Json) -> Annotating:
    """Open the work; the options are ``Opening`` as JSON has it."""
    return Annotating(record(options, Opening))


def sha256_of_model(name: str) -> str:
    """Return what tells a model from others; a file that is new here is tried first.

    Raises:
        UsageError: There is no such model.
        ModelError: It does not come through its first run.
    """
    file = find_model(name)
    if file.content is not None:
        return hashlib.sha256(file.content).hexdigest()
    ensure_tried(file.path)
    return sha256_of(file.path)


def options_of(opening: Opening, job: AnnotationJob) -> Json:
    """Return what changes the outputs of a job, besides its input and the model's file."""
    asked: Json = plain(opening)
    for name in ("model", "device", "threads"):
        del asked[name]
    return {"style": plain(job.style), "encoding": plain(job.encoding), **asked}
