"""The command line: one app, whose commands are imported when they are called.

A command is a function in a module of its own here; ``options`` holds what several commands
take, ``spellings`` the old names of options. Other packages add commands by entry points.
"""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

import camstream
from camstream import crash, starting
from camstream.commands import plugins
from camstream.commands.spellings import Command, hide_type
from camstream.console import exit_code, flush, lost_results, plain_errors, report_error, say
from camstream.errors import CamstreamError, SetupError

_GROUP: Final = "camstream.commands"
# In the order of ``camstream --help``; each is a function of the same name in its module.
_OWN = (
    "demo",
    "live",
    "annotate",
    "archive",
    "query",
    "report",
    "teach",
    "evaluate",
    "units",
    "info",
    "doctor",
)
# What Typer raises where the words of a command are wrong; its own name for it is private.
_WrongWords: Final[Any] = typer.BadParameter.__bases__[0]


class Commands(TyperGroup):
    """A group that imports a command only when it is called or when help lists it."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return the names of our own commands, then those that other packages add."""
        return list(dict.fromkeys([*_OWN, *sorted(plugins.find(_GROUP).names)]))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command; None where there is none of that name."""
        if cmd_name not in self.commands:
            if cmd_name in _OWN:
                function = f"camstream.commands.{cmd_name}:{cmd_name}"
                self.commands[cmd_name] = _load(EntryPoint(cmd_name, function, _GROUP))
            elif cmd_name in (added := plugins.find(_GROUP)).names:
                self.commands[cmd_name] = _load(added[cmd_name])
            else:
                for name in self.list_commands(ctx):  # Typer suggests names from those imported
                    self.get_command(ctx, name)
        return self.commands.get(cmd_name)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options of the program itself, written in help as those of commands are."""
        return [hide_type(param) for param in super().get_params(ctx)]

    def main(self, *args: Any, **options: Any) -> Any:
        """Run a command; wrong words are one line, as every other error, and exit code 2."""
        if not options.get("standalone_mode", True):
            return super().main(*args, **options)
        try:
            code = super().main(*args, **{**options, "standalone_mode": False})
        except _WrongWords as error:
            _report_wrong_words(error)
            code = error.exit_code
        except CamstreamError as error:  # of a command that prints, and does nothing else
            report_error(error.for_command_line())
            code = exit_code(error)
        except OSError as error:  # of the help, which Typer prints
            if error.errno != errno.ENOSPC:
                raise
            report_error(str(lost_results(error)))
            code = 1
        sys.exit(code)


def _report_wrong_words(error: Any) -> None:
    """Print what is wrong, and how to see what is right."""
    message = " ".join(error.format_message().split()).removesuffix(".")
    message = message.replace("Value error, ", "")  # words of the library that checks settings
    if message:  # there is none where help was printed, since nothing was asked for
        where = error.ctx.command_path if error.ctx is not None else "camstream"
        report_error(f"{message[0].lower()}{message[1:]}; see: {where} --help")


def _load(entry_point: EntryPoint) -> Any:
    """Import a function and make a command of it.

    Where a package that it needs is missing, the command only reports that: the help and the
    other commands still work.
    """
    own = typer.Typer(add_completion=False, rich_markup_mode="rich")
    try:
        own.command(entry_point.name, cls=Command)(entry_point.load())
    except ModuleNotFoundError as error:
        problem = plugins.missing(f"camstream {entry_point.name}", error)
        anything = {"ignore_unknown_options": True, "allow_extra_args": True}
        own.command(entry_point.name, context_settings=anything)(_unavailable(problem))
    return get_command(own)


def _unavailable(problem: SetupError) -> Callable[[], None]:
    def unavailable() -> None:
        with plain_errors(debug=False):
            raise problem

    unavailable.__doc__ = str(problem).replace("[", r"\[")  # Rich would take the extra for a style
    return unavailable


def _print_version(is_asked: bool) -> None:
    if is_asked:
        say(f"camstream {camstream.__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    help="Shows where a network looks: class activation maps over video, live or recorded.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _settings(
    version: Annotated[  # noqa: ARG001
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    import cv2  # the completion of a shell does not need it

    # The pipeline has a thread for each stage; OpenCV's own threads would fight over the cores.
    cv2.setNumThreads(1)
    logging.basicConfig(format="camstream: %(message)s", level=logging.WARNING)


def main() -> None:
    """Run the command line."""
    starting.open_streams()
    starting.stop_cleanly()
    crash.watch()
    code: str | int | None = 0
    try:
        app(prog_name="camstream")
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = 130
    code = flush() or code
    starting.finish()
    sys.exit(code)


if __name__ == "__main__":
    main()
