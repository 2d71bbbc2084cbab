"""Sources are told by folders or a table, never guessed from names; what new sources give is said."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from camstream.commands import app
from camstream.errors import SourceError
from camstream.teach.dataset import open_dataset
from camstream.teach.sources import MOST_GROUPS, group_sources, read_sources


def photo(path: Path, blue: int = 50, red: int = 50) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(list(path.as_posix().encode())).integers(0, 20, (48, 64, 3))
    assert cv2.imwrite(str(path), (noise + np.array([blue, 50, red])).astype(np.uint8))


def test_a_name_is_no_source_and_a_sub_folder_is_one(tmp_path: Path) -> None:
    for name in ("a/IMG_1.png", "a/attic/DSC_2.png", "b/IMG_3.png"):
        photo(tmp_path / name)
    sources = {sample.name: sample.source for sample in open_dataset(tmp_path).samples}
    assert sources == {"a/IMG_1.png": "", "a/attic/DSC_2.png": "attic", "b/IMG_3.png": ""}


def test_a_table_names_the_sources(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/2.png"):
        photo(tmp_path / "photos" / name)
    table = tmp_path / "sources.csv"
    table.write_text("file,source,more\na/1.png,attic,x\n", encoding="utf-8")
    samples = open_dataset(tmp_path / "photos", sources=read_sources(table)).samples
    assert [sample.source for sample in samples] == ["attic", ""]


@pytest.mark.parametrize(
    ("content", "printed"),
    [
        (b"name,source\n", "no column 'file'"),
        (b"", "no column 'file'"),
        (b"\xff\xfe", "no text in UTF-8"),
        (b'file,source\n"a', "unexpected end of data"),
        (None, "No such file"),
    ],
)
def test_what_is_no_table_of_sources_is_said(
    content: bytes | None, printed: str, tmp_path: Path
) -> None:
    path = tmp_path / "sources.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=printed):
        read_sources(path)


def test_many_sources_are_left_out_in_few_groups() -> None:
    names = [f"source {number}" for number in range(350)]
    groups = group_sources([*names, "", names[0]])
    assert len(groups) == MOST_GROUPS
    assert sorted(name for group in groups.values() for name in group) == sorted(names)
    assert group_sources(["a", "", "b", "a"]) == {"a": ["a"], "b": ["b"]}


def test_what_new_sources_give_is_said(
    tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lamp makes a picture redder than it is blue; one place alone shows no more than red."""
    monkeypatch.setattr("platformdirs.user_cache_path", lambda _: tmp_path / "cache")
    for place, light in {"attic": 20, "cellar": 150}.items():
        for number in range(6):
            photo(tmp_path / "in" / "lamp" / place / f"{number}.png", light, light + 60)
            photo(tmp_path / "in" / "no lamp" / place / f"{number}.png", light, light)

    def teach(*options: str) -> str:
        output = str(tmp_path / "lamp.onnx")
        arguments = ["teach", str(tmp_path / "in"), "-o", output, "-m", str(tiny_path), *options]
        done = CliRunner().invoke(app, [*arguments, "--overwrite"])
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    said = teach()
    assert "points less: expect this on new cameras and places" in said
    one_place = tmp_path / "sources.csv"
    one_place.write_text("file,source\nlamp/attic/0.png,attic\n")
    assert "put each source into a sub-folder" in teach("--sources", str(one_place))
    one_place.write_text("file,source\nelsewhere/0.png,attic\n")
    names = [str(tmp_path / "in"), "-o", str(tmp_path / "x.onnx"), "-m", str(tiny_path)]
    done = CliRunner().invoke(app, ["teach", *names, "--sources", str(one_place)])
    assert done.exit_code == 1
    assert "names no file" in " ".join(done.output.split())
