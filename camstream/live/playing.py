"""What the actions of a player do to a file, or to photos."""

from __future__ import annotations

from typing import cast

from camstream.errors import UsageError
from camstream.live import actions
from camstream.sources.player import SPEEDS, Playable, PlayerState
from camstream.stages import Source


def player_of(source: Source) -> PlayerState | None:
    """Return where a source is, if it is a file or photos that can be played."""
    return getattr(source, "player", None)


def play(source: Source, action: actions.PlayAction) -> str:
    """Do an action.

    Returns:
        A message, empty for none.

    Raises:
        UsageError: The source is live, or there is no such speed.
    """
    now = player_of(source)
    if now is None:
        raise UsageError(f"{source.name} is live: only files and photos can be played")
    playable = cast(Playable, source)
    match action:
        case actions.Seek(to):
            playable.seek(to)
        case actions.Skip(by_s):
            playable.skip(by_s)
        case actions.Step(frames):
            playable.step(frames)
        case actions.SetSpeed(speed):
            if speed not in SPEEDS:
                known = ", ".join(f"{one:g}" for one in SPEEDS)
                raise UsageError(f"the speed is one of {known}; not {speed:g}")
            playable.set_speed(speed)
        case actions.ChangeSpeed(steps):
            place = SPEEDS.index(now.speed) + steps
            playable.set_speed(SPEEDS[max(0, min(place, len(SPEEDS) - 1))])
        case actions.Loop(on):
            is_on = not now.is_looping if on is None else on
            playable.loop(is_on)
            return "at the end it begins again" if is_on else "it stays at the end"
    return ""


def pause(source: Source, *, on: bool | None, is_paused: bool) -> bool:
    """Hold a source, or let it go on; one that cannot be held goes on unseen.

    Args:
        source: Of the session.
        on: Whether it is held from now on; None changes it to the other state; at the end of a
            file that begins it again.
        is_paused: Whether it is held now.

    Returns:
        Whether it is held from now on.
    """
    now = player_of(source)
    if on is None:
        on = not is_paused and not (now is not None and now.has_ended)
    hold = getattr(source, "pause", None)
    if hold is not None:
        hold(on)
    return on
