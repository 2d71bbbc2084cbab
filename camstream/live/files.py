"""Which files belong to which of several cameras."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from camstream.frame import Annotated
from camstream.live.outputs import OutputPaths, Outputs
from camstream.sinks import SinkGroup, open_records
from camstream.sinks.naming import beside
from camstream.sources.several import stem_of
from camstream.stages import Sink


class CameraFiles:
    """Opens the outputs of each camera: a file each in a folder, and records of all in one file."""

    def __init__(self, paths: OutputPaths, folder: Path, *, labels: Sequence[str]) -> None:
        """Open what is common to all.

        Args:
            paths: ``record``, ``maps`` and ``presence`` are folders; ``records`` is one too, or a
                file for all cameras together.
            folder: Where snapshots and recordings that an action begins are put.
            labels: One name a class, in the order of the logits.

        Raises:
            SinkError: The records cannot be written.
        """
        self._paths, self._folder, self._labels = paths, folder, labels
        self._stems: list[str] = []
        common: list[Sink] = []
        records = paths.records
        if records is not None and records.suffix and not records.is_dir():
            common.append(
                open_records(records, overwrite=paths.overwrite, inputs=paths.inputs, once=True)
            )
            self._paths = dataclasses.replace(paths, records=None)
        self._common = SinkGroup(common)
        self.finish, self.keep = self._common.finish, self._common.keep
        self.discard = self._common.discard

    def open(self, name: str) -> Outputs:
        """Open the files of a camera.

        Args:
            name: What it is called.

        Raises:
            SinkError: One cannot be written.
        """
        stem = stem_of(name, self._stems)
        self._stems.append(stem)
        video = Path(f"{stem}.mp4")

        def own(folder: Path | None, suffix: str) -> Path | None:
            return None if folder is None else beside(folder, video, suffix, batch=True)

        paths = dataclasses.replace(
            self._paths,
            record=own(self._paths.record, ".mp4"),
            maps=own(self._paths.maps, ".npz"),
            presence=own(self._paths.presence, ".csv"),
            records=own(self._paths.records, ".jsonl"),
        )
        more = [_Guest(self._common)] if self._common.sinks else []
        return Outputs(
            paths,
            self._folder,
            labels=self._labels,
            rate_hz=None,
            source=lambda: name,
            stem=stem,
            more=more,
        )


class _Guest:
    """Writes frames of one camera into what is common to all, which outlives it."""

    def __init__(self, common: Sink) -> None:
        self._common = common

    def write(self, annotated: Annotated) -> None:
        self._common.write(annotated)

    def finish(self) -> None:
        pass

    def keep(self) -> None:
        pass

    def discard(self) -> None:
        pass
