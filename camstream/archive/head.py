"""Whether a cluster is there: Ray itself waits for a minute, and then ends the process."""

from __future__ import annotations

import socket

from camstream.errors import SetupError, first_line

LOCAL = "local"
_ANSWER_S = 10.0


def check_answers(address: str) -> None:
    """Raise where nothing answers.

    Args:
        address: HOST:PORT, ray://HOST:PORT, or a word, which is not looked at.

    Raises:
        SetupError: Nothing does.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:  # "local" and "auto"
        return
    try:
        if not port.isdecimal():
            raise OSError("an address is HOST:PORT")
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise no_cluster(address, error) from error


def no_cluster(address: str, error: Exception) -> SetupError:
    """Return the error that says that there is none."""
    if address == LOCAL:
        return SetupError(f"no Ray cluster can be started on this machine: {first_line(error)}")
    return SetupError(
        f"there is no Ray cluster at {address} ({first_line(error)}); "
        "start one with: ray start --head"
    )


def gone(error: BaseException) -> SetupError:
    """Return the error that says that it is gone."""
    return SetupError(f"the cluster is gone ({first_line(error)}); the same command goes on later")
