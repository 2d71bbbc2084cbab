"""``camstream archive``: many videos in, tables of what was seen out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camstream.archive.options import DEFAULT_PART_S, DEFAULT_RATE_HZ, LookOptions, WorkerOptions
from camstream.archive.tasks import find_videos
from camstream.commands.archiving import RunOptions, archive_many
from camstream.commands.options import (
    ClassesOption,
    DebugOption,
    DeviceOption,
    FileMemoryOption,
    FileTimeoutOption,
    InputSizeOption,
    JobsOption,
    ModelOption,
    OverwriteOption,
    RefineOption,
    RetryFailedOption,
    VerifyOption,
    batch_option,
    input_option,
    output_option,
)
from camstream.commands.settings import PresetOption
from camstream.console import plain_errors, stoppable
from camstream.errors import UsageError
from camstream.models.zoo import DEFAULT_MODEL
from camstream.sinks.tables import import_arrow


def archive(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT", help="Videos, photos, folders, globs, .txt lists, or s3://..."
        ),
    ],
    output: Annotated[
        str, output_option("--output", "-o", metavar="FOLDER", help="The archive; also s3://...")
    ],
    model_name: ModelOption = DEFAULT_MODEL,
    device: DeviceOption = "auto",
    input_size: InputSizeOption = None,
    refine: RefineOption = False,
    classes: ClassesOption = None,
    rate_hz: Annotated[
        float,
        input_option(
            "--rate-hz", min=0, max=1000, metavar="N", help="Frames a second to look at; 0: all."
        ),
    ] = DEFAULT_RATE_HZ,
    video: Annotated[bool, output_option("--video", help="Make the annotated videos too.")] = False,
    maps: Annotated[bool, output_option("--maps", help="Keep the raw maps too.")] = False,
    part_minutes: Annotated[
        float,
        batch_option(
            min=0, metavar="N", help="Cut long videos into such parts, read side by side; 0: never."
        ),
    ] = DEFAULT_PART_S / 60,
    jobs: JobsOption = None,
    file_timeout: FileTimeoutOption = None,
    file_memory: FileMemoryOption = None,
    verify: VerifyOption = False,
    retry_failed: RetryFailedOption = False,
    ray: Annotated[
        str | None,
        batch_option(
            metavar="ADDRESS",
            help='Work on a Ray cluster: its address, "auto", or "local" for one on this machine.',
        ),
    ] = None,
    gpus_per_worker: Annotated[
        float,
        batch_option(min=0, max=64, metavar="N", help="With --ray: GPUs, or a part of one, each."),
    ] = 0.0,
    overwrite: OverwriteOption = False,
    _preset: PresetOption = None,
    debug: DebugOption = False,
) -> None:
    """Write what is seen in many videos into tables that answer questions.

    $ camstream archive recordings/ -o seen/ --model person
    $ camstream archive recordings/ more/*.mkv -o seen/ --rate-hz 5 --classes dog
    $ camstream archive s3://bucket/recordings/ -o s3://bucket/seen --ray auto
    """
    with plain_errors(debug), stoppable() as stop:
        if gpus_per_worker and ray is None:
            raise UsageError("--gpus-per-worker is for a cluster: give --ray ADDRESS too")
        import_arrow("pyarrow", Path(output))
        look = LookOptions(
            classes=tuple(classes or ()),
            input_size=input_size,
            refine=refine,
            rate_hz=rate_hz or None,
            video=video,
            maps=maps,
        )
        worker = WorkerOptions(
            look=look, target=output, model=model_name, device=device, part_s=part_minutes * 60
        )
        options = RunOptions(
            jobs=jobs,
            timeout_s=file_timeout,
            memory_gb=file_memory,
            verify=verify,
            retry_failed=retry_failed,
            anew=overwrite,
            ray=ray,
            gpus_per_worker=gpus_per_worker,
        )
        archive_many(find_videos(inputs), worker, options, stop=stop, debug=debug)
