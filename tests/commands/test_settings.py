"""Options from files: presets, ``camstream.toml`` here and of the user; which one comes first."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from camstream.commands import app, settings
from tests import clips

COMMANDS = ("annotate", "demo", "evaluate", "export", "live", "report", "teach", "train")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_path: Path) -> Path:
    """A current folder with a clip and a model, and a folder of the user's settings."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "work"
    folder.mkdir()
    clips.make(folder / "clip.mp4", clips.Video(frames=3))
    (folder / "tiny.onnx").write_bytes(tiny_path.read_bytes())
    monkeypatch.chdir(folder)
    return folder


def write(text: str, *, users: bool = False) -> Path:
    path = platformdirs.user_config_path("camstream") if users else Path()
    path.mkdir(parents=True, exist_ok=True)
    (path / settings.FILE_NAME).write_text(text, encoding="utf-8")
    return path / settings.FILE_NAME


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "100", "TERM": "dumb"})


def annotate(*arguments: str) -> dict[str, Any]:
    """Annotate the clip and return which settings were in force."""
    done = run("annotate", "clip.mp4", "--stats", "s.json", "--overwrite", *arguments)
    assert done.exit_code == 0, done.output
    return {
        key: (told["value"], told["from"])
        for key, told in json.loads(Path("s.json").read_text())["settings"].items()
        if key not in ("stats", "overwrite")
    }


@pytest.mark.usefixtures("here")
def test_what_is_nearer_comes_first() -> None:
    assert annotate("-m", "tiny.onnx") == {"model": ("tiny.onnx", "command line")}
    users = write('model = "tiny.onnx"\ntop-k = 2\ntrail = 1\nopacity = 0.1\n', users=True)
    assert annotate() == {
        "model": ("tiny.onnx", str(users)),
        "top-k": (2, str(users)),
        "trail": (1.0, str(users)),
        "opacity": (0.1, str(users)),
    }
    write(
        "trail = 2\nopacity = 0.2\n[annotate]\ndecay = 2\n[presets.mine]\nopacity = 0.3\nboxes = true\n"
    )
    in_preset = "preset mine in camstream.toml"
    assert annotate("--preset", "mine", "--decay", "3") == {
        "model": ("tiny.onnx", str(users)),
        "top-k": (2, str(users)),
        "trail": (2.0, "camstream.toml"),
        "opacity": (0.3, in_preset),
        "boxes": (True, in_preset),
        "decay": (3.0, "command line"),
    }


@pytest.mark.usefixtures("here")
def test_a_table_of_a_command_comes_before_what_all_have() -> None:
    write(
        'model = "tiny.onnx"\ntop-k = 2\n[annotate]\ntop-k = 1\n[live]\ntop-k = 9\n[train]\nepochs = 3\n'
    )
    assert annotate()["top-k"] == (1, "camstream.toml")
    stats = ("--no-window", "--frames", "1", "--stats", "live.json", "--overwrite")
    done = run("live", "clip.mp4", *stats)
    assert done.exit_code == 0, done.output
    assert "settings from camstream.toml" in done.stderr
    told = json.loads(Path("live.json").read_text())["settings"]
    assert told["top-k"] == {"value": 9, "from": "camstream.toml"}
    assert told["window"] == {"value": False, "from": "command line"}


@pytest.mark.usefixtures("here")
def test_a_preset_may_be_named_by_a_file() -> None:
    write('preset = "raw"\nmodel = "tiny.onnx"\n')
    assert annotate()["smooth"] == ("off", "preset raw")
    assert annotate("--preset", "five-classes").keys() == {"model", "top-k"} | set()


@pytest.mark.usefixtures("here")
def test_values_of_every_type() -> None:
    write(
        'model = "tiny.onnx"\nclasses = ["light", "dark"]\nrange = [10, 20.5]\nbox-threshold = "30%"\n'
        'records = "r.jsonl"\ncolormap = "hot"\nquality = 30\n'
    )
    told = annotate()
    assert told["classes"][0] == ["light", "dark"]
    assert told["range"][0] == [10, 20.5]
    assert told["box-threshold"][0] == 0.3
    assert told["records"][0] == "r.jsonl"
    assert Path("r.jsonl").read_text()
    assert annotate("--classes", "dark")["classes"] == (["dark"], "command line")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("top_k = 2", "there is no option top_k; did you mean top-k?"),
        ("boxs = true", "there is no option boxs; did you mean boxes?"),
        ("[anotate]\ntop-k = 2", "[anotate] is no command; did you mean annotate?"),
        ("[annotate]\nepochs = 2", "[annotate] has no option epochs"),
        ("annotate = 2", "annotate is a command"),
        ("top-k = true", "top-k = true: give a whole number"),
        ('top-k = "2"', 'top-k = "2": give a whole number'),
        ("top-k = 2.5", "top-k = 2.5: give a whole number"),
        ("top-k = 99", "top-k = 99: "),
        ("opacity = [1]", "opacity = [1]: give a number"),
        ("boxes = 1", "boxes = 1: give true or false"),
        ('classes = "dog"', 'classes = "dog": give a list, each text'),
        ("classes = [1]", "classes = [1]: give a list, each text"),
        ("range = [1]", "range = [1]: give a list of 2, each a number"),
        ('box-threshold = "p80"', 'box-threshold = "p80": give a part of the map'),
        ('colormap = "grey"', 'colormap = "grey": '),
        ("opacity = nan", "opacity = nan: "),
        ("records = 2001-01-01", "records = 2001-01-01: give text"),
        ("help = true", "there is no option help"),
        ("preset = 3", "preset: give the name of a preset"),
        ('preset = "nothing"', "no preset 'nothing'"),
        ("presets = 3", "presets is a table of presets"),
        ("x = ", "it is no TOML"),
        ("a = " + "[" * 5000, "it is no TOML"),
        ("a = " + "9" * 5000, "camstream.toml"),
        ("\x00", "it is no TOML"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_wrong_file_is_one_line_that_names_it(text: str, words: str) -> None:
    write(text)
    done = run("annotate", "clip.mp4", "-m", "tiny.onnx", "--preset", "raw")
    if (
        "preset =" in text
    ):  # what the command line says is used, but a wrong file is not passed over
        done = run("annotate", "clip.mp4", "-m", "tiny.onnx")
    assert done.exit_code == 2, done.output
    (line,) = done.stderr.splitlines()
    assert line.startswith("camstream: ")
    assert words in line
    assert "camstream.toml" in line or "no preset" in line


@pytest.mark.usefixtures("here")
def test_what_cannot_be_read_is_one_line(here: Path) -> None:
    (here / "camstream.toml").write_bytes(b"\xff\xfe\x00")
    assert "no text in UTF-8" in run("annotate", "clip.mp4").stderr
    (here / "camstream.toml").unlink()
    (here / "camstream.toml").mkdir()
    done = run("annotate", "clip.mp4")
    assert (done.exit_code, "cannot read the settings camstream.toml" in done.stderr) == (2, True)


@pytest.mark.usefixtures("here")
def test_an_unknown_preset_names_those_that_there_are() -> None:
    assert "did you mean security-camera?" in run("live", "--preset", "securty-camera").stderr
    done = run("annotate", "clip.mp4", "--preset", "ultrafast")
    assert done.exit_code == 2
    assert "--encoder-preset" in done.stderr
    assert "known: security-camera" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_with_options_takes_settings(command: str) -> None:
    group: Any = get_command(app)
    assert any("--preset" in param.opts for param in group.get_command(None, command).params)


@pytest.mark.parametrize("name", tomllib.loads(settings._SHIPPED.read_text()))
@pytest.mark.parametrize("command", ["annotate", "live"])
@pytest.mark.usefixtures("here")
def test_shipped_presets_are_understood(name: str, command: str) -> None:
    group: Any = get_command(app)
    parent = group.make_context("camstream", [command], resilient_parsing=True)
    parent.resilient_parsing = False
    context = group.get_command(parent, command).make_context(
        command, ["clip.mp4", "--preset", name], parent=parent
    )
    told = settings.in_force(context)
    assert told
    assert {one["from"] for one in told.values()} == {f"preset {name}"}


@pytest.mark.usefixtures("here")
def test_presets_are_completed() -> None:
    write("[presets.garden]\nboxes = true\n")
    assert settings.complete_preset("ga") == ["garden"]
    assert "security-camera" in settings.complete_preset("")
    write("x =")
    assert settings.complete_preset("") == []


@pytest.mark.usefixtures("here")
def test_help_needs_no_file() -> None:
    write("x =")
    assert run("annotate", "--help").exit_code == 0
