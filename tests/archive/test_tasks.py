"""The tasks of an archive, and what is removed from its folder."""

from __future__ import annotations

from pathlib import Path

from camstream.archive.storage import open_folder
from camstream.archive.tasks import own_folder, tidy


def test_only_what_an_archive_made_is_removed(tmp_path: Path) -> None:
    work = tmp_path / "work"
    theirs = [work / "thesis/x.tex", work / "2025-20250101/x.mp4", work / "parts/engine/x.step"]
    old = [work / "camstream-123-0a1b2c3d/records.parquet", work / f"parts/{'0f' * 16}/00000.json"]
    for path in (*theirs, *old):
        path.parent.mkdir(parents=True)
        path.touch()
    with own_folder(str(tmp_path)) as is_alone, open_folder(str(tmp_path)).scratch() as killed:
        tidy(str(tmp_path), [], is_alone=is_alone)
        assert not killed.exists()
    assert [path.exists() for path in theirs] == [True] * 3
    assert [path.parent.exists() for path in old] == [False] * 2
