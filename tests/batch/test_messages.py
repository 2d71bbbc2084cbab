"""Messages between a pool and its children: records and errors come through whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from camstream.annotation import AnnotationJob
from camstream.batch.messages import (
    error_from_json,
    error_to_json,
    from_line,
    plain,
    record,
    to_line,
)
from camstream.drawing.overlay import Style
from camstream.errors import CamstreamError, NotFoundError, SinkError
from camstream.sinks.encoding import Encoding


def test_a_job_comes_through_with_any_name() -> None:
    job = AnnotationJob(
        source=Path("/a\udcff \n\x1b[31m猫.mp4"),
        output=Path("out.mp4"),
        maps=Path("maps.npz"),
        style=Style(heatmap_opacity=0.1, show_boxes=True),
        encoding=Encoding("vp9", 3, "4"),
        settings={"classes": {"value": ["cat", 3, None], "from": "the command line"}},
    )
    line = to_line(plain(job))
    assert line.count(b"\n") == 1
    assert record(from_line(line), AnnotationJob) == job


@pytest.mark.parametrize("line", [b"", b"[]\n", b"3\n", b"{\n"])
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_line(line)


def test_a_record_is_checked() -> None:
    wrong = {**plain(AnnotationJob(source=Path("a"), output=Path("b"))), "output": 3}
    with pytest.raises(ValueError, match="output"):
        record(wrong, AnnotationJob)


def test_an_error_comes_through_with_its_remedy() -> None:
    try:
        raise SinkError("x exists", option="overwrite") from OSError(28, "full")
    except SinkError as error:
        told = error_to_json(error)
    assert told["errno"] == 28
    again = error_from_json(told)
    assert type(again) is SinkError
    assert again.for_command_line() == "x exists: --overwrite"
    assert type(error_from_json(error_to_json(NotFoundError("no")))) is NotFoundError


@pytest.mark.parametrize("kind", ["SystemExit", "shown", "reading", "Path", "", None, 3])
def test_an_error_of_another_kind_is_a_plain_one(kind: object) -> None:
    assert type(error_from_json({"kind": kind, "message": "m"})) is CamstreamError
