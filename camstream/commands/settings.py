"""Options from files: presets, ``camstream.toml`` beside the work, and that of the user.

    model = "person"               # for every command that has the option
    [live]                         # for one command
    camera-size = "1280x720"
    [presets.gate]                 # camstream live --preset gate
    classes = ["dog", "cat"]
    [presets.gate.annotate]        # one command's part of it
    top-k = 3

What is given on the command line comes first, then the preset, then ``camstream.toml`` in the current
folder, then the user's. No default stands here: what no file names is the option's own default.
"""

from __future__ import annotations

import difflib
import tomllib
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import platformdirs
import typer

from camstream.console import plain_errors, remark
from camstream.errors import UsageError

FILE_NAME = "camstream.toml"
_PRESETS = "presets"
_NEVER = frozenset({"help", "preset"})  # what a file cannot say
_MAX_BYTES = 1_000_000
_ORIGINS = "camstream.settings"  # in a context: option -> the place that set it
_SHIPPED = Path(__file__).with_name("presets.toml")


@dataclass(frozen=True, slots=True)
class Layer:
    """Options from one place.

    Attributes:
        name: The place, as it is told to the user.
        values: Options by their long names, without dashes.
    """

    name: str
    values: Mapping[str, Any]


def complete_preset(begun: str) -> list[str]:
    """Return the names of presets that begin so; none where a file is wrong."""
    try:
        names = presets()
    except UsageError:
        return []
    return [name for name in names if name.startswith(begun)]


def use(context: typer.Context, preset: str | None) -> str | None:
    """Make what the files say the defaults of a command; the callback of ``--preset``.

    Raises:
        Exit: A file is wrong; that was told in one line.
    """
    if context.resilient_parsing or context.parent is None:  # a shell completes, or a test parses
        return preset
    options = options_of(context.command)
    origins: dict[str, str] = {}
    defaults: dict[str, Any] = {}
    with plain_errors(debug=False):
        for layer in layers(context, preset):
            for key in layer.values.keys() - origins.keys():
                origins[key], defaults[options[key].name] = layer.name, layer.values[key]
    context.default_map, context.meta[_ORIGINS] = defaults, origins
    if origins:
        remark(f"settings from {', '.join(sorted(set(origins.values())))}")
    return preset


def in_force(context: typer.Context) -> dict[str, dict[str, Any]]:
    """Return the options that a run was given: their values, and where each came from."""
    told = {}
    for key, option in options_of(context.command).items():
        source = context.get_parameter_source(option.name)
        if source is None or source.name == "DEFAULT":
            continue
        origin = context.meta[_ORIGINS][key] if source.name == "DEFAULT_MAP" else "command line"
        told[key] = {"value": _plain(context.params[option.name]), "from": origin}
    return told


PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME",
        help=f"Options under one name, from {FILE_NAME} or shipped.",
        is_eager=True,
        callback=use,
        autocompletion=complete_preset,
    ),
]


def layers(context: Any, preset: str | None) -> list[Layer]:
    """Read what the files say for a command, what comes first first.

    Raises:
        UsageError: A file cannot be read, has an option that there is not, or a wrong value.
    """
    files = [Layer(name, _for_command(table, name, context)) for name, table in _files().items()]
    named = preset or next((file.values["preset"] for file in files if "preset" in file.values), "")
    found = [_preset(named, context)] if named else []
    return [
        Layer(layer.name, {key: value for key, value in layer.values.items() if key != "preset"})
        for layer in [*found, *files]
    ]


def presets() -> dict[str, tuple[str, Any]]:
    """Return every preset: its name, and the file and the table that it stands in."""
    found: dict[str, tuple[str, Any]] = {}
    for place, table in {**_files(), "": {_PRESETS: _read(_SHIPPED)}}.items():
        named = table.get(_PRESETS, {})
        if not isinstance(named, dict):
            raise UsageError(f"{place}: {_PRESETS} is a table of presets, [presets.NAME]")
        for name, preset in named.items():
            found.setdefault(name, (place, preset))
    return found


def options_of(command: Any) -> dict[str, Any]:
    """Return the options of a command that a file may set, by long names without dashes."""
    found = {}
    for param in command.params:
        if param.param_type_name == "option":
            key = max(param.opts, key=len).removeprefix("--")
            if key not in _NEVER:
                found[key] = param
    return found


def _files() -> dict[str, dict[str, Any]]:
    """Read the files that are there, by the names that they are told under."""
    here, users = Path(FILE_NAME), platformdirs.user_config_path("camstream") / FILE_NAME
    return {str(path): _read(path) for path in (here, users) if path.exists()}


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            raise UsageError(f"{path}: settings of more than a megabyte are not read")
        return tomllib.loads(text.decode())
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: it is no text in UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise UsageError(f"{path}: it is no TOML: {error or 'it is nested too deeply'}") from error
    except OSError as error:
        raise UsageError(f"cannot read the settings {path}: {error.strerror}") from error


def _preset(name: str, context: Any) -> Layer:
    known = presets()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        if context.command.name == "annotate":
            hint += "; the encoder's speed is given by --encoder-preset"
        raise UsageError(f"no preset {name!r}: {hint}")
    place, table = known[name]
    place = f"preset {name}" + (f" in {place}" if place else "")
    if not isinstance(table, dict):
        raise UsageError(f"{place}: a preset is a table, [presets.{name}]")
    if wrong := {"preset", _PRESETS} & table.keys():
        raise UsageError(f"{place}: {min(wrong)}: a preset cannot name another one")
    return Layer(place, _for_command(table, place, context))


def _for_command(table: Mapping[str, Any], place: str, context: Any) -> dict[str, Any]:
    """Return the values that a table has for a command; its own table there comes first.

    Raises:
        UsageError: The table has what no command knows, or a wrong value for this one.
    """
    command, group = context.command, context.parent.command
    commands = group.list_commands(context.parent)
    options = options_of(command)
    found = {}
    for key, value in table.items():
        if key == _PRESETS:
            continue
        if key in commands:
            if not isinstance(value, dict):
                raise UsageError(f"{place}: {key} is a command: its options stand under [{key}]")
        elif key in options or key == "preset":
            found[key] = value
        elif isinstance(value, dict):
            raise UsageError(f"{place}: [{key}] is no command{_nearest(key, commands)}")
        elif key not in (everywhere := _all_options(group, context.parent)):
            raise UsageError(f"{place}: there is no option {key}{_nearest(key, everywhere)}")
    for key, value in table.get(command.name, {}).items():
        if key not in options and key != "preset":
            near = _nearest(key, options)
            raise UsageError(f"{place}: [{command.name}] has no option {key}{near}")
        found[key] = value
    for key, value in found.items():
        if key == "preset":
            if not isinstance(value, str):
                raise UsageError(f"{place}: preset: give the name of a preset in quotes")
        else:
            _check(value, f"{place}: {key}", options[key], context)
    return found


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word.replace("_", "-").lower(), list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def _all_options(group: Any, context: Any) -> frozenset[str]:
    """Return the options of every command; it imports them all, so it is asked only in doubt."""
    names = [group.get_command(context, name) for name in group.list_commands(context)]
    return frozenset(key for command in names for key in options_of(command))


def _check(value: Any, what: str, option: Any, context: Any) -> None:
    """Check a value as the command line does, and its type more strictly.

    Raises:
        UsageError: It is wrong.
    """
    hint = typing.get_type_hints(context.command.callback, include_extras=True)[option.name]
    wanted, is_right = _kind(hint)
    if not is_right(value):
        raise UsageError(f"{what} = {_quoted(value)}: give {wanted}")
    try:
        option.process_value(context, value)
    except typer.BadParameter as error:
        raise UsageError(f"{what} = {_quoted(value)}: {error.message}") from error


def _kind(hint: Any) -> tuple[str, typing.Callable[[Any], bool]]:
    """Return the words for values of a type, and what tells whether a value of TOML is one."""
    if typing.get_origin(hint) is Annotated:
        if any(getattr(extra, "parser", None) for extra in hint.__metadata__):
            return 'text, "..."', lambda value: isinstance(value, str)
        return _kind(typing.get_args(hint)[0])
    inner = [_kind_of for _kind_of in typing.get_args(hint) if _kind_of is not type(None)]
    origin = typing.get_origin(hint)
    if origin is list:
        words, is_one = _kind(inner[0])
        return (
            f"a list, each {words}",
            lambda value: isinstance(value, list) and all(is_one(one) for one in value),
        )
    if origin is tuple:
        words, is_one = _kind(inner[0])
        return (
            f"a list of {len(inner)}, each {words}",
            lambda value: (
                isinstance(value, list) and len(value) == len(inner) and all(map(is_one, value))
            ),
        )
    if origin is not None and origin is not typing.Literal and len(inner) == 1:  # X | None
        return _kind(inner[0])
    if hint is bool:
        return "true or false", lambda value: isinstance(value, bool)
    if hint is int:
        return (
            "a whole number",
            lambda value: isinstance(value, int) and not isinstance(value, bool),
        )
    if hint is float:
        return (
            "a number",
            lambda value: isinstance(value, int | float) and not isinstance(value, bool),
        )
    return 'text, "..."', lambda value: isinstance(value, str)


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | None) else str(value)
