"""The command line as a whole: help, completion, old spellings, errors in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner, Result

import camstream
from camstream.commands import app, plugins
from camstream.commands.options import SizeWH, parse_ratio, parse_size
from camstream.commands.spellings import RENAMED
from camstream.models.session import Model
from camstream.sources.file import FileSource
from tests.clips import Video, make

COMMANDS = (
    "annotate",
    "archive",
    "demo",
    "doctor",
    "evaluate",
    "units",
    "export",
    "info",
    "live",
    "query",
    "report",
    "teach",
    "train",
)
PANELS = {"Arguments", "Options", "Input", "Model", "What to show", "Output", "Many files"}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "100", "TERM": "dumb"})


def options_of(command: str) -> dict[str, Any]:
    """The options of a command by their spellings."""
    group: Any = get_command(app)
    found = group.get_command(None, command)
    return {name: option for option in found.params for name in option.opts + option.secondary_opts}


def complete(words: str) -> list[str]:
    """What a shell offers after these words."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "camstream"],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "_CAMSTREAM_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        },
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_help_lists_every_command_with_one_line() -> None:
    done = run("--help")
    assert done.exit_code == 0
    lines = [line.strip("│ ").split("  ")[0] for line in done.stdout.splitlines()]
    assert sorted(set(lines) & set(COMMANDS)) == sorted(COMMANDS)
    listed = done.stdout.split("Commands")[1].strip().splitlines()[1:-1]
    assert len(listed) == len(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_an_example_and_panels(command: str) -> None:
    done = run(command, "-h")
    assert done.exit_code == 0
    assert f"$ camstream {command}" in done.stdout
    panels = {line.strip("╭╮─ ") for line in done.stdout.splitlines() if line.startswith("╭")}
    assert panels <= PANELS | {"Training", "Teaching with the keys", "Many files"}
    assert len(done.stdout.splitlines()) < 100


def test_one_spelling_has_one_meaning() -> None:
    """A flag in one command is none with a value in another, and the short forms agree."""
    kinds: dict[str, set[tuple[bool, str]]] = {}
    for command in COMMANDS:
        for name, option in options_of(command).items():
            if name.startswith("-"):
                long = max(option.opts, key=len)
                kinds.setdefault(name, set()).add((option.is_flag, long.removeprefix("--no-")))
    # "info MODEL --classes [WORD]": the word may be left out, so that it is an argument.
    # "archive --video --maps": what is made, while the archive says where.
    # "train --crop 0.4": how small a part is shown; "teach --crop": whether one is learnt from.
    exceptions = {"--classes", "--crop", "--maps", "--video"}
    assert {name for name, kind in kinds.items() if len(kind) > 1} <= exceptions


def test_version() -> None:
    assert run("--version").stdout == f"camstream {camstream.__version__}\n"


def test_a_wrong_command_suggests_the_right_one() -> None:
    done = run("anotate")
    assert done.exit_code == 2
    assert "Did you mean 'annotate'?" in done.stderr


@pytest.mark.parametrize(
    ("command", "old", "new"),
    [(command, old, new) for command, names in RENAMED.items() for old, new in names.items()],
)
def test_an_old_spelling_means_the_new_one(command: str, old: str, new: str) -> None:
    options = options_of(command)
    assert new in options
    assert old not in options
    group: Any = get_command(app)
    loaded = group.get_command(None, command)
    given = [old] if options[new].is_flag else [old, "x"]
    seen: list[str] = []
    parent: Any = type(loaded).__mro__[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parent, "parse_args", lambda _, __, args: seen.extend(args))
        patch.setattr("camstream.commands.spellings.note", seen.append)
        context = typer.Context(loaded)
        loaded.parse_args(context, [*given, f"{old}=1", "--", old])
    notes = [line for line in seen if "is now" in line]
    assert notes == [f"{old} is now {new}; the next release will not know {old}"] * 2
    assert seen[2:] == [new, *given[1:], f"{new}=1", "--", old]


def test_an_old_spelling_works_with_a_note(tiny_path: Path, sample: Path, tmp_path: Path) -> None:
    records = tmp_path / "records.jsonl"
    live = ("live", str(sample), "--no-window", "--frames", "3", "-m", str(tiny_path))
    done = run(*live, "--record", str(tmp_path / "seen.mp4"), "--calm", "off", "--watch", "dark")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "seen.mp4").stat().st_size > 0
    for old, new in {"--record": "--output", "--calm": "--smooth", "--watch": "--classes"}.items():
        assert done.stderr.count(f"note: {old} is now {new};") == 1
    done = run(*live, "--records", str(records))
    assert done.exit_code == 0, done.output
    assert "is now" not in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("camstream ", set(COMMANDS)),
        ("camstream tra", {"train"}),
        ("camstream export --map", {"--map-stride"}),
        ("camstream train --val", {"--val-split"}),
        ("camstream train --pool ", {"avg", "max"}),
        ("camstream annotate --smo", {"--smooth"}),
        ("camstream annotate --cal", set()),
        ("camstream annotate --model pers", {"person"}),
        ("camstream live --device co", {"coreml"}),
    ],
)
def test_a_shell_completes(words: str, expected: set[str]) -> None:
    assert set(complete(words)) == expected


def test_a_command_imports_only_what_it_needs() -> None:
    code = (
        "import sys\n"
        "from camstream.commands import main\n"
        "sys.argv = ['camstream', 'info', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "loaded = {'export', 'torch', 'sklearn', 'matplotlib', 'camstream.commands.live'}\n"
        "assert not loaded & set(sys.modules), loaded & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_command_whose_package_is_missing_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    point = EntryPoint("other", "no_such_package.cli:other", "camstream.commands")
    monkeypatch.setattr(plugins, "find", lambda _: EntryPoints([point]))
    done = run("other", "--anything", "x")
    assert done.exit_code == 1
    assert done.stderr == (
        "camstream: camstream other needs no_such_package, which is not installed; run: "
        'pip install "camstream[export]"\n'
    )
    assert "no_such_package" in run("--help").stdout


@pytest.mark.parametrize("command", ["annotate", "info", "live", "teach", "evaluate"])
def test_an_unknown_model_is_one_line_that_says_what_to_do(command: str, tmp_path: Path) -> None:
    name = ["resnet18"] if command == "info" else [str(tmp_path), "--model", "resnet18"]
    if command == "annotate":
        name[0] = "clip.mp4"
    more = {
        "live": ["--no-window"],
        "teach": ["-o", str(tmp_path / "x.onnx")],
        "evaluate": ["--labels-from-folders"],
    }
    done = run(command, *name, *more.get(command, []))
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr == (
        "camstream: no model 'resnet18': person and efficientnet_lite0 come with camstream; "
        "another network is made with: camstream export resnet18 -o resnet18.onnx\n"
    )


def test_info_takes_names_and_files(tiny_path: Path) -> None:
    assert "name" in run("info", "person").stdout
    assert "tiny" in run("info", str(tiny_path)).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("annotate", "x.mp4", "--top-k", "10"), "--top-k"),
        (("annotate", "x.mp4", "--smooth", "much"), "--smooth"),
        (("annotate", "x.mp4", "--box-threshold", "p80"), "20% or 0.2"),
        (("live", "--camera-size", "640"), "as 640x480"),
        (("live", "--teach-output", "x.bin"), "ends in .onnx"),
        (("report", "x.jsonl", "--presence-thresholds", "0.2", "0.5"), "presence ends at 0.5"),
        (("demo", "--retrain"), "--retrain is for digits and sweep"),
        (("demo", "nothing"), "people"),
        (("evaluate", "."), "give either --true-boxes FILE"),
        (("teach", ".", "-o", "x.txt"), "ends in .onnx"),
        (("train", ".", "-o", "x.txt"), "end in .onnx"),
        (("export", "person", "--mean", "1", "2", "3"), "comes with camstream as it is"),
    ],
)
def test_a_wrong_option_exits_with_2(arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.output


@pytest.mark.parametrize("command", [*COMMANDS, ""])
def test_help_tells_no_types_of_programmers(command: str) -> None:
    shown = run(*command.split(), "--help").stdout
    assert not {word for word in ("<bool>", "<str>", "<path>", "<int>", "<float>") if word in shown}
    usage = next(line for line in shown.splitlines() if "Usage:" in line)
    assert usage.partition("[OPTIONS]")[2] == usage.partition("[OPTIONS]")[2].upper()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_words_and_every_value_a_name(command: str) -> None:
    for name, option in options_of(command).items():
        if option.param_type_name == "option":
            assert option.help, name
            assert option.help.endswith((".", ")")), name
            assert option.is_flag or option.metavar or "|" in option.display_type(None), name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("annotate", "a.mp4", "--contrast", "cat", "-o", "x.mp4"), "--contrast needs A B, but"),
        (("live", "a.mp4", "--contrast", "cat", "-o", "x.mp4"), "the option -o follows"),
        (("annotate", "a.mp4", "--records", "--boxes"), "--records needs FILE, but"),
        (("annotate", "a.mp4", "-m", "-o", "x.mp4"), "-m needs NAME|FILE, but"),
    ],
)
def test_an_option_is_no_value_of_another(arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert words in line
    assert "see: camstream" in line or "root" in line


def test_wrong_words_are_one_line() -> None:
    for words in (
        ("anotate",),
        ("live", "--topk", "3"),
        ("annotate",),
        ("annotate", "x", "--top-k"),
    ):
        done = run(*words)
        assert done.exit_code == 2
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("camstream: ")


def test_a_size() -> None:
    assert parse_size("640x480") == SizeWH(640, 480) == (640, 480)
    for wrong in ("640", "0x4", "axb", "4x", "-4x4"):
        with pytest.raises(typer.BadParameter, match="give width and height"):
            parse_size(wrong)


def test_a_ratio() -> None:
    assert parse_ratio("20%") == parse_ratio("0.2") == 0.2
    for wrong in ("0", "1", "100%", "20%%", "nan", "p80", ""):
        with pytest.raises(typer.BadParameter, match="part of the map's maximum"):
            parse_ratio(wrong)


def test_a_legend_is_drawn_where_it_is_asked_for(tmp_path: Path, tiny_model: Model) -> None:
    clip = make(tmp_path / "in.mp4", Video(frames=2, size_wh=(320, 180)))
    corners = []
    for name, more in (("plain.mp4", ()), ("legend.mp4", ("--legend",))):
        done = run(
            "annotate", str(clip), "-o", str(tmp_path / name), "-m", str(tiny_model.path), *more
        )
        assert done.exit_code == 0, done.output
        frame = next(iter(FileSource(tmp_path / name)))
        corners.append(frame.picture.bgr()[160:, 220:].astype(int))
    assert abs(corners[1] - corners[0]).max() > 100
