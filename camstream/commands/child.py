"""Runs a part of the export package in a process of its own: camstream never imports torch."""

from __future__ import annotations

import os
import signal
import subprocess

from camstream.console import stoppable

_LOOK_S = 0.2
# Threads that spin while they wait make a training many times slower on cores that others use too.
_CALM = {"OMP_WAIT_POLICY": "PASSIVE"}


def run_child(command: list[str]) -> int:
    """Run a command that ends in good order when it is interrupted, and wait until it has.

    Ctrl-C reaches the child as well as this process; SIGTERM is passed on to it.

    Returns:
        Its exit code.
    """
    with stoppable() as stop, subprocess.Popen(command, env=_CALM | os.environ) as process:
        is_told = False
        while process.poll() is None:
            try:
                process.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                if stop.number == signal.SIGTERM and not is_told:
                    process.terminate()
                    is_told = True
            except KeyboardInterrupt:  # the second Ctrl-C
                process.kill()
                raise
        return process.returncode
