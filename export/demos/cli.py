"""``python -m export.demos NAME -o FILE``: trains a demo's network; ``camstream demo`` calls it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camstream.commands.options import DebugOption
from camstream.console import console, plain_errors, steps, stoppable
from camstream.errors import SetupError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def train_demo(
    name: Annotated[str, typer.Argument(help="digits or sweep.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .onnx file to write.")],
    epochs: Annotated[
        int | None, typer.Option(min=1, help="The most epochs.  [default: the demo's]")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on where it was interrupted.")] = True,
    debug: DebugOption = False,
) -> None:
    """Train a demo's network and export it."""
    with plain_errors(debug), stoppable() as stop:
        with steps(console, "drawing pictures to learn from") as say:
            try:
                from export.demos.named import find
                from export.demos.train import job_of
                from export.train.job import run
                from export.train.progress import watching
            except ModuleNotFoundError as error:
                raise SetupError(
                    f"the demo trains a network, which needs {error.name}; "
                    'run: pip install "camstream[export]"'
                ) from error
            job = job_of(find(name), output, epochs=epochs)
            say(f"training {job.start.name} on {len(job.train.classes)} pictures")
        with steps(console, "exporting") as say:
            run(job, watching(console), resume=resume, stop=stop, say=say)
        stop.end()


def main() -> None:
    """Run the command line."""
    app(prog_name="python -m export.demos")


if __name__ == "__main__":
    main()
