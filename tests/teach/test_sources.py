"""Sources are told by folders or a table, never guessed from names; what new sources give is said."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from camstream.commands import app
from camstream.errors import SourceError
from camstream.teach.dataset import ImageFolder, open_dataset
from camstream.teach.features import FeatureSet
from camstream.teach.fit import fit
from camstream.teach.report import make_report, print_report
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
        (None, "there is no such file"),
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


def features(shift: float) -> FeatureSet:
    """Two places; a lamp shows in the first feature, and the second tells how bright a place is."""
    random = np.random.default_rng(0)
    place, lamp = np.repeat([0, 1], 40), np.tile([0, 1], 40)
    rows = np.tile(np.stack([lamp + shift * place, shift * place], axis=1), 100)
    rows = rows + random.normal(0, 0.01, rows.shape)
    return FeatureSet(
        dataset=ImageFolder(Path("in"), ("no lamp", "lamp"), ()),
        names=tuple(map(str, range(80))),
        targets=lamp.astype(np.int64),
        sources=tuple("attic" if one else "cellar" for one in place),
        groups=np.arange(80),
        features=rows[:, np.newaxis].astype(np.float32),
        skipped=(),
    )


@pytest.mark.parametrize(
    ("shift", "said"),
    [(1.5, "points less: expect this on new cameras and places"), (0.0, "left out: 100.0%")],
)
def test_what_new_sources_give_is_said(shift: float, said: str) -> None:
    feature_set = features(shift)
    report = make_report(feature_set, fit(feature_set.training_data()))
    assert report.balanced_accuracy > 0.98
    with Console(width=200, record=True, file=io.StringIO()) as console:
        print_report(report, console)
    assert said in console.export_text()


def test_without_sources_the_folds_are_not_believed(tiny_path: Path, tmp_path: Path) -> None:
    for number in range(6):
        photo(tmp_path / "in" / "lamp" / f"home_{number}.png", 150, 150)
        photo(tmp_path / "in" / "no lamp" / f"home_{number}.png")

    def teach(*options: str) -> tuple[int, str]:
        names = [str(tmp_path / "in"), "-o", str(tmp_path / "lamp.onnx"), "-m", str(tiny_path)]
        done = CliRunner().invoke(app, ["teach", *names, *options])
        return done.exit_code, " ".join(done.output.split())

    code, said = teach()
    assert code == 0
    assert "put each source into a sub-folder of its class" in said
    table = tmp_path / "sources.csv"
    table.write_text("file,source\nelsewhere/0.png,attic\n")
    code, said = teach("--sources", str(table), "--overwrite")
    assert code == 1
    assert "names no file" in said
