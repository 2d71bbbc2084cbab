"""``camstream archive``: many videos in, tables of what was seen out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from camstream.archive.layout import video_id
from camstream.archive.options import DEFAULT_RATE_HZ, LookOptions, Video, WorkerOptions
from camstream.archive.work import Alone, ArchiveWork
from camstream.commands.options import (
    ClassesOption,
    DebugOption,
    DeviceOption,
    InputSizeOption,
    ModelOption,
    RefineOption,
    output_option,
)
from camstream.commands.settings import PresetOption
from camstream.console import plain_errors, say
from camstream.models.zoo import DEFAULT_MODEL
from camstream.sinks.atomic_file import is_partial
from camstream.sources.inputs import expand


def archive(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help="Clips, photos, folders, globs or .txt lists."),
    ],
    output: Annotated[
        Path, output_option("--output", "-o", metavar="FOLDER", help="The archive.")
    ],
    model_name: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    input_size: InputSizeOption = None,
    refine: RefineOption = False,
    classes: ClassesOption = None,
    rate_hz: Annotated[
        float,
        typer.Option(
            "--rate-hz", min=0, max=1000, metavar="N", help="Frames a second to look at; 0: all."
        ),
    ] = DEFAULT_RATE_HZ,
    video: Annotated[bool, output_option("--video", help="Make the annotated videos too.")] = False,
    maps: Annotated[bool, output_option("--maps", help="Keep the raw maps too.")] = False,
    _preset: PresetOption = None,
    debug: DebugOption = False,
) -> None:
    """Write what is seen in many videos into tables that answer questions.

    $ camstream archive recordings/ -o seen/ --model person
    """
    with plain_errors(debug):
        look = LookOptions(
            classes=tuple(classes or ()),
            input_size=input_size,
            refine=refine,
            rate_hz=rate_hz or None,
            video=video,
            maps=maps,
        )
        work = ArchiveWork(
            WorkerOptions(look=look, target=str(output), model=model_name, device=device)
        )
        for path in expand(inputs, leave_out=is_partial):
            source = os.path.abspath(path)  # noqa: PTH100: links stay, ".." does not
            status = Path(source).stat()
            item = Video(
                id=video_id(source),
                given=str(path),
                source=source,
                size=status.st_size,
                mtime_ns=status.st_mtime_ns,
            )
            result = work.video(item, Alone())
            say(f"{path}: {result['frames']} rows")
