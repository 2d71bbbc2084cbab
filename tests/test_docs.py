"""README and docs: snippets run, commands are understood, links lead somewhere."""

from __future__ import annotations

import contextlib
import csv
import importlib
import itertools
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from typer.main import get_command
from typer.testing import CliRunner

import camstream
from camstream.commands import app
from camstream.commands.spellings import RENAMED
from camstream.frame import Frame
from camstream.sinks.video import VideoFile
from camstream.sources.file import FileSource
from tests.graph.small import CLASSES, classifier
from tests.query.made_set import Made, write_video

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/manual/*.md"))]
EVERY_PAGE = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("videos/*.md")])
SNIPPETS = [*PAGES, ROOT / "docs" / "architecture.md"]

CLIP_FRAMES = 30

# Commands that are parsed only, and why.
NOT_RUN = {
    "live": "needs a camera or a stream, and mostly a window",
    "demo": "takes long; tests/commands/test_sample.py and test_people.py run it",
    "train": "trains",
    "archive": "starts processes, clusters; tests/archive runs it",
    "doctor": "opens cameras",
}

# Words that the code does not use any more; docs/glossary.md has those that replace them.
OLD_WORDS = (
    r"calm\w*|sharp\w*|\blaw\b|law.residual|trunk\w*|linger\w*|\bwatch\w*|set.aside|rehead|"
    r"cut-outs?|cuttings|head.rate|\.curves\b|bench\b"
)


def _id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)


def _commands(page: Path) -> list[list[str]]:
    """Return the arguments of each line "$ camstream ..." of a page."""
    return [
        shlex.split(line.removeprefix("$ camstream "), comments=True)
        for block in _blocks(page, "console")
        for line in block.splitlines()
        if line.startswith("$ camstream ")
    ]


def _anchors(page: Path) -> set[str]:
    """Return what GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Path:
    """A folder with what the snippets name: clips, photos, a network without maps."""
    folder = tmp_path_factory.mktemp("things")
    frames = list(itertools.islice(_frames(sample), 0, None, 15))
    cv2.imwrite(str(folder / "cat.jpg"), frames[0].picture.bgr())
    with sample.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        truth = list(csv.DictReader(file))
    boxes = [["file", "label", "x0", "y0", "x1", "y1"]]
    for frame in frames:
        row = truth[frame.index]
        photo = Path("cup" if row["photo"] == "coffee" else "no cup", f"{frame.index:03d}.jpg")
        (folder / "photos" / photo).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "photos" / photo), frame.picture.bgr())
        if row["label"]:
            corners = (row[key] for key in ("x0", "y0", "x1", "y1"))
            boxes.append([photo.as_posix(), row["label"], *corners])
    with (folder / "boxes.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(boxes)
    _make_clips(sample, folder)
    with (folder / "clip.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["frame", "label", "x0", "y0", "x1", "y1"])
        for row in truth[:CLIP_FRAMES]:
            half = (float(row[key]) / 2 for key in ("x0", "y0", "x1", "y1"))
            writer.writerow([row["index"], row["label"], *half])
    _make_archive(folder / "seen", folder / "clip.mp4")
    onnx.save(classifier(), folder / "theirs.onnx")
    names = "\n".join(f"class {number}" for number in range(CLASSES))
    (folder / "names.txt").write_text(names, encoding="utf-8")
    return folder


def _frames(path: Path) -> Iterator[Frame]:
    with contextlib.closing(FileSource(path)) as source:
        yield from source


def _make_clips(sample: Path, folder: Path) -> None:
    """Write the first second of the sample clip, half as large, under the names of the docs."""
    for name in ("clip.mp4", "more/clip.mkv"):
        (folder / name).parent.mkdir(exist_ok=True)
        video = VideoFile(folder / name)
        for frame in itertools.islice(_frames(sample), CLIP_FRAMES):
            video.write_picture(frame.picture.resized((640, 360)))
        video.finish()
    (folder / "clips").mkdir()
    for name in ("cat.mp4", "street.mp4", "clips/cat.mp4"):
        shutil.copy(folder / "clip.mp4", folder / name)


def _make_archive(folder: Path, clip: Path) -> None:
    """Write an archive in which a person was in a clip."""
    made = Made(
        video=clip.name,
        labels=["person"],
        pts_s=np.arange(2) / 2,
        classes=np.zeros((2, 1), np.int64),
        scores=np.full((2, 1), 0.9, np.float32),
        path=str(clip),
    )
    write_video(folder, made)


@pytest.fixture
def folder(things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of ``things`` as the current folder."""
    shutil.copytree(things, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("page", SNIPPETS, ids=_id)
@pytest.mark.usefixtures("folder")
def test_the_python_snippets_of_a_page_run(page: Path) -> None:
    namespace: dict[str, object] = {}
    for block in _blocks(page, "python"):
        exec(compile(block, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", EVERY_PAGE, ids=_id)
def test_commands_are_understood(page: Path) -> None:
    group: Any = get_command(app)
    context = group.make_context("camstream", ["info"], resilient_parsing=True)
    for name, *arguments in _commands(page):
        if name.startswith("-"):
            continue
        command = group.get_command(context, name)
        assert command is not None, name
        old = {argument.partition("=")[0] for argument in arguments} & RENAMED.get(name, {}).keys()
        assert not old, f"{page.name} has old spellings: {old}"
        if not {"-h", "--help"} & set(arguments):
            command.make_context(name, arguments)


@pytest.mark.parametrize("page", PAGES, ids=_id)
@pytest.mark.usefixtures("folder")
def test_commands_run(page: Path) -> None:
    for name, *arguments in _commands(page):
        needs_torch = name == "export" and not arguments[0].endswith(".onnx")
        plays_file = arguments[:2] == ["clip.mp4", "--no-window"]
        if needs_torch or (name in NOT_RUN and not plays_file):
            continue
        if name not in ("info", "doctor"):  # the examples of a page replace each other's outputs
            arguments.append("--overwrite")
        done = CliRunner().invoke(app, [name, *arguments])
        assert done.exit_code == 0, f"camstream {shlex.join([name, *arguments])}: {done.output}"


@pytest.mark.parametrize("page", EVERY_PAGE, ids=_id)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    missing = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if "://" not in link and (
            not target.exists() or (anchor and anchor not in _anchors(target))
        ):
            missing.append(link)
    named = re.findall(r"(?<!\.)(?:camstream|export|tests|docs|videos)/[\w/]+\.\w+", text)
    for module in re.findall(r"-m (tests\.[\w.]+\w)", text):
        path = module.replace(".", "/")
        named.append(f"{path}/__main__.py" if (ROOT / path).is_dir() else f"{path}.py")
    missing += [
        name for name in named if page.name != "CHANGELOG.md" and not (ROOT / name).exists()
    ]
    assert not missing


@pytest.mark.parametrize("page", EVERY_PAGE, ids=_id)
def test_no_page_uses_old_words(page: Path) -> None:
    if page.name != "CHANGELOG.md":
        assert not re.findall(OLD_WORDS, page.read_text("utf-8"), re.I)


def test_the_reference_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    make_reference = importlib.import_module("make_reference")
    for name, text in make_reference.pages().items():
        written = (ROOT / "docs" / "reference" / name).read_text("utf-8")
        assert text == written, f"docs/reference/{name}: run python docs/make_reference.py"


def test_the_reference_of_the_api_is_built(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pdoc", "camstream", "-o", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "camstream.html").read_text("utf-8")
    assert all(f'id="{name}"' in page for name in camstream.__all__)
