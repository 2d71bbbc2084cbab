"""What can be named on the command line: files, folders, globs, lists, live sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from camstream.errors import NotFoundError, SourceError, UsageError
from camstream.sources.inputs import expand


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photos, clips and more, which is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips" / "deeper").mkdir(parents=True)
    for name in ("b.mp4", "a.JPG", "c.webp", "notes.txt", ".hidden.mp4x", "x.partial-1.mp4"):
        (tmp_path / "clips" / name).write_text("d.mkv")
    (tmp_path / "clips" / "deeper" / "d.mkv").touch()
    (tmp_path / "one.mp4").touch()
    return tmp_path


def names(found: list[str | Path]) -> list[str]:
    return [str(one) for one in found]


def is_partial(path: Path) -> bool:
    return ".partial-" in path.name


def test_a_folder_stands_for_its_photos_and_clips_alike(folder: Path) -> None:
    assert names(expand(["clips"], leave_out=is_partial)) == [
        "clips/a.JPG",
        "clips/b.mp4",
        "clips/c.webp",
    ]
    (folder / "none").mkdir()
    with pytest.raises(NotFoundError, match="no photo and no video file in the folder none"):
        expand(["none"])


def test_globs_are_the_program_s_own_work(folder: Path) -> None:
    """A quoted one, or any on Windows, arrives as it is."""
    assert names(expand(["clips/*.mp4"], leave_out=is_partial)) == ["clips/b.mp4"]
    assert names(expand(["**/*.m*"], leave_out=is_partial)) == [
        "clips/b.mp4",
        "clips/deeper/d.mkv",
        "one.mp4",
    ]
    assert names(expand([str(folder / "o*.mp4"), "clips/[ac].*"])) == [
        str(folder / "one.mp4"),
        "clips/a.JPG",
        "clips/c.webp",
    ]
    with pytest.raises(NotFoundError, match=r"no file matches no\*\.mp4"):
        expand(["no*.mp4"])
    (folder / "a[b].mp4").touch()
    assert names(expand(["a[b].mp4"])) == ["a[b].mp4"]


def test_each_source_comes_once_and_in_order(folder: Path) -> None:
    assert folder.is_dir()
    found = expand(["one.mp4", "clips/c.webp", "clips", "one.mp4"], leave_out=is_partial)
    assert names(found) == ["one.mp4", "clips/c.webp", "clips/a.JPG", "clips/b.mp4"]


def test_a_list_names_a_source_on_each_line(folder: Path) -> None:
    text = "\ufeff# cameras\n\nb.mp4\n  a.JPG  \n#b.mp4\ndeeper/*.mkv\nfile:///clips/e%20f.mp4\n"
    (folder / "clips" / "list.TXT").write_text(text, encoding="utf-8")
    assert names(expand(["clips/list.TXT"])) == [
        "clips/b.mp4",
        "clips/a.JPG",
        "clips/deeper/d.mkv",
        "/clips/e f.mp4",
    ]


def test_a_list_may_name_live_sources_for_live(folder: Path) -> None:
    (folder / "list.txt").write_text("0\nrtsp://user:s3cret@host/x\nscreen:1\none.mp4\n")
    assert names(expand(["list.txt"], live=True)) == [
        "0",
        "rtsp://user:s3cret@host/x",
        "screen:1",
        "one.mp4",
    ]
    with pytest.raises(UsageError, match="camera 0 is no file"):
        expand(["list.txt"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"# nothing\n", "lists nothing"),
        (b"\xff\xfe\x00caf\xe9", "no text in UTF-8"),
        (b"list.txt\n", "is a list in a list"),
    ],
)
def test_a_list_that_is_none_is_one_line(content: bytes, words: str, folder: Path) -> None:
    (folder / "list.txt").write_bytes(content)
    with pytest.raises(SourceError, match=words):
        expand(["list.txt"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rtsp://user:s3cret@host/x", "rtsp://host/x is no file; .* camstream live"),
        ("http://host/live?key=s3cret", "http://host/live is no file"),
        ("rtsp//user:s3cret@host/x", "rtsp//host/x: there is no such file; an address begins"),
        ("user:s3cret@host", r"\*\*\*@host: there is no such file"),
        ("rtmp://host/app/s3cret", r"rtmp://host/app/\*\*\* is no file"),
        ("screen:1", "screen:1 is no file"),
        ("-", "the standard input is no file"),
        ("0", "camera 0 is no file"),
    ],
)
def test_what_is_no_file_is_refused_without_its_secrets(text: str, words: str) -> None:
    with pytest.raises(
        UsageError, match=words.replace("camstream live", '"camstream live"')
    ) as caught:
        expand([text])
    assert "s3cret" not in str(caught.value)


def test_a_file_named_by_a_number_is_a_file(folder: Path) -> None:
    (folder / "7").touch()
    assert names(expand(["7"])) == ["7"]


@pytest.mark.parametrize("text", ["missing.mp4", "a" * 300 + ".mp4", "b/" * 2500, "rec-12:30.mp4"])
def test_names_of_files_are_left_to_who_opens_them(text: str) -> None:
    """In a batch one that is not there does not keep the others from being read."""
    assert expand([text]) == [Path(text)]
