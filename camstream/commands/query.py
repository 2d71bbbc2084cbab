"""``camstream query``: when was it there, in which video of an archive?"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camstream.commands.panels import (
    DebugOption,
    OverwriteOption,
    input_option,
    output_option,
    show_option,
)
from camstream.commands.settings import PresetOption
from camstream.console import (
    counting,
    note,
    plain_errors,
    remark,
    report_error,
    results,
    stoppable,
)
from camstream.errors import UsageError

if TYPE_CHECKING:
    from camstream.query.intervals import Found
    from camstream.query.output import Format
    from camstream.sinks.atomic_file import AtomicFile

_LINES_AT_ONCE = 500
_FORMATS = ("table", "csv", "json")


def _complete(begun: str) -> list[str]:
    from camstream.models.classes import complete

    return complete(begun)


def query(
    archive: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder that camstream archive wrote.")
    ],
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help='A class, its number, or a group of classes such as "dog".',
            autocompletion=_complete,
        ),
    ] = None,
    min_score: Annotated[
        float | None,
        show_option(
            "--min",
            min=0,
            max=1,
            metavar="SCORE",
            help="A frame counts where the class scores at least this.",
            show_default="0.5, or as the run decided what is present",
        ),
    ] = None,
    for_: Annotated[
        str, show_option("--for", metavar="TIME", help="Leave out what is shorter, such as 2s.")
    ] = "0s",
    gap: Annotated[
        str | None,
        show_option(
            metavar="TIME",
            help="Frames no further apart are one interval.",
            show_default="1.5 samples",
        ),
    ] = None,
    between: Annotated[
        tuple[str, str] | None,
        show_option(metavar="FROM TO", help="Only by that time of day; 22:00 06:00 is the night."),
    ] = None,
    video: Annotated[
        str | None,
        show_option(metavar="GLOB", help='Only videos whose path or name is so: "gate-*.mp4".'),
    ] = None,
    sql: Annotated[
        str | None,
        input_option(metavar="SELECT", help="Ask in SQL instead; views: frames, videos."),
    ] = None,
    form: Annotated[
        str | None,
        output_option(
            "--format", metavar="FORMAT", help="table, csv or json.", show_default="as -o is called"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        output_option(
            "--output", "-o", metavar="FILE", help="Write into a file: .csv, .json, .txt."
        ),
    ] = None,
    clips: Annotated[
        Path | None,
        output_option(metavar="DIR", help="Cut the intervals out into this folder, as they are."),
    ] = None,
    contact_sheet: Annotated[
        Path | None,
        output_option(metavar="FILE", help="Draw the best frame of each interval: .jpg or .png."),
    ] = None,
    overwrite: OverwriteOption = False,
    _preset: PresetOption = None,
    debug: DebugOption = False,
) -> None:
    """Tell when something was there, in which video of an archive.

    $ camstream archive videos/ -o seen/ --rate-hz 2
    $ camstream query seen/ person --min 0.8 --for 2s --between 22:00 06:00
    $ camstream query seen/ dog --clips dogs/ --contact-sheet dogs.jpg
    $ camstream query seen/ --sql "SELECT label, count(*) FROM frames GROUP BY label"
    """
    from camstream.query.intervals import Question, answer
    from camstream.query.output import write_found
    from camstream.query.words import length, parse_duration, parse_time

    with plain_errors(debug):
        chosen = _format(form, output)
        if (name is None) == (sql is None):
            raise UsageError('give a class to look for, such as "person", or --sql')
        if sql is not None:
            if clips is not None or contact_sheet is not None:
                raise UsageError("--clips and --contact-sheet are of intervals, not of --sql")
            _ask_sql(archive, sql, chosen, output, overwrite=overwrite)
            return
        assert name is not None
        question = Question(
            name=name,
            min_score=min_score,
            for_s=parse_duration(for_),
            gap_s=None if gap is None else parse_duration(gap),
            between=between and (parse_time(between[0]), parse_time(between[1])),
            video=video,
        )
        sheet = None
        if contact_sheet is not None:
            from camstream.query.contact_sheet import check_sheet

            sheet = check_sheet(contact_sheet, overwrite=overwrite)
        with counting("indexing videos") as progress:
            answered = answer(archive, question, progress=progress)
        _print(write_found(answered.found, chosen), output, overwrite=overwrite)
        for warning in answered.warnings:
            note(warning)
        total_s = sum(one.seconds for one in answered.found)
        videos = len({one.video.video_id for one in answered.found})
        remark(
            f"{_count(len(answered.found), 'interval')} in {videos:,} of "
            f"{_count(answered.videos, 'video')}, {length(total_s)} in all"
        )
        problems = 0
        if clips is not None:
            problems += _cut(answered.found, clips)
        if sheet is not None:
            problems += _draw(answered.found, sheet)
        if problems:
            raise typer.Exit(1)


def _cut(found: Sequence[Found], folder: Path) -> int:
    """Cut the clips; returns how many problems there were."""
    from camstream.query.clips import Clip, cut_clips

    problems: list[str] = []

    def on_clip(one: Found, clip: Clip) -> None:
        earlier = f", begins {clip.earlier_s:.2f} s earlier, at a key frame" * (clip.earlier_s > 0)
        remark(f"{one.video.video} -> {clip.path}: {one.seconds:.1f} s{earlier}")
        for line in clip.left_out:
            note(line)

    def on_problem(line: str) -> None:
        problems.append(line)
        report_error(line)

    with stoppable() as stop:
        cut_clips(found, folder, on_clip=on_clip, on_problem=on_problem, stop=stop)
        stop.end()
    return len(problems)


def _draw(found: Sequence[Found], sheet: AtomicFile) -> int:
    """Draw the contact sheet; returns how many problems there were."""
    from camstream.query.contact_sheet import write_contact_sheet

    problems: list[str] = []
    with counting("drawing") as on_tile:
        drawn = write_contact_sheet(sheet, found, on_problem=problems.append, on_tile=on_tile)
    for line in problems:
        report_error(line)
    if drawn:
        best = f", the best {drawn} of {len(found):,}" * (drawn < len(found) and not problems)
        remark(f"{sheet.target}: {_count(drawn, 'picture')}{best}")
    else:
        note(f"{sheet.target} was not written: there is nothing to draw")
    return len(problems)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _format(form: str | None, output: Path | None) -> Format:
    if form is None:
        suffix = "" if output is None else output.suffix.lower().removeprefix(".")
        return "csv" if suffix == "csv" else "json" if suffix == "json" else "table"
    if form not in _FORMATS:
        raise UsageError(f"--format is {', '.join(_FORMATS)}, not {form!r}")
    return form  # type: ignore[return-value]


def _ask_sql(
    archive: Path, sql: str, form: Format, output: Path | None, *, overwrite: bool
) -> None:
    from camstream.query.output import write_rows
    from camstream.query.sql import ask

    with ask(archive, sql) as table:
        _print(write_rows(table.names, table.rows, form), output, overwrite=overwrite)


def _print(lines: Iterable[str], output: Path | None, *, overwrite: bool) -> None:
    """Write lines into a file, or print them."""
    if output is None:
        waiting = iter(lines)
        while text := "".join(itertools.islice(waiting, _LINES_AT_ONCE)):
            results.print(text, end="")
        return
    from camstream.sinks.atomic_file import AtomicFile

    file = AtomicFile(output, overwrite=overwrite)
    try:
        with file.writing(), file.path.open("w", encoding="utf-8", newline="") as to:
            to.writelines(lines)
        file.commit()
    finally:
        if not file.is_done:
            file.discard()
