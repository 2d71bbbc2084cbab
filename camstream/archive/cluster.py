"""The work of an archive on a Ray cluster: actors that each have the model, and take a step at a time.

A step is a video or a part of one, never a frame. Ray places actors and tells when one has died; what
is done then, and what was done before, is decided by ``camstream.batch`` as for a pool. So nothing is
restarted or tried again by Ray itself.

Only the command's --ray imports this.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from camstream.archive.actor import Worker
from camstream.archive.head import LOCAL, check_answers, gone, no_cluster
from camstream.batch.messages import error_from_json
from camstream.batch.pool import Done, Failed
from camstream.batch.task import Json
from camstream.errors import SetupError, first_line

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # the coming default, said quietly

try:
    import ray
    from ray import exceptions
except ImportError as missing:
    raise SetupError('--ray needs Ray; install it with pip install "camstream[ray]"') from missing

_log = logging.getLogger(__name__)

_TICK_S = 0.1
_LOOK_S, _MISSED = 1.0, 3  # whether the cluster is there is looked at so often, and so many times
_PLACES_S = 10.0  # the size of the cluster is asked so often
_STARTS = 3  # so many actors in a row may die before they are ready


@dataclass(slots=True)
class _Actor:
    """An actor, seen from here.

    Attributes:
        handle: Of Ray.
        name: Of its step; empty: none.
        begun_s: When it was given it, by ``time.monotonic``.
        is_ready: Whether it has opened what it works with.
        why: Why it was killed by us, in words.
    """

    handle: Any
    name: str = ""
    begun_s: float = 0.0
    is_ready: bool = False
    why: str = ""


class Cluster:
    """An engine, see ``camstream.batch.pool.Engine``, on a cluster."""

    def __init__(
        self,
        address: str,
        options: Json,
        *,
        jobs: int | None = None,
        threads: int = 1,
        gpus: float = 0.0,
        timeout_s: float | None = None,
        on_ready: Callable[[Json], None] = lambda _: None,
        on_begin: Callable[[str], None] = lambda _: None,
        stop: Callable[[], bool] = lambda: False,
        debug: bool = False,
    ) -> None:
        """Prepare it; nothing is started.

        Args:
            address: Of the cluster; "local" starts one on this machine, which ends with the run.
            options: What ``open_work`` is given.
            jobs: How many actors; None: one for each processor, or for each share of a GPU.
            threads: Processors of each actor; the model runs with so many threads, since Ray allows
                libraries only one.
            gpus: GPUs of each, also a part of one.
            timeout_s: How long a step may take.
            on_ready: Called once with what the first actor tells of its work.
            on_begin: Called with the name of each step before it is given away.
            stop: Asked ten times a second; True ends all actors.
            debug: Let Ray print what it and the actors write.
        """
        self._address, self._options = address, options | {"threads": threads}
        self._jobs, self._threads, self._gpus = jobs, threads, gpus
        self._timeout_s, self._stop, self._debug = timeout_s, stop, debug
        self._on_ready, self._on_begin = on_ready, on_begin
        self._waiting: deque[tuple[str, Json]] = deque()
        self._pending: dict[Any, _Actor] = {}  # what is waited for
        self._idle: list[_Actor] = []
        self._failed_starts = 0
        self._is_known = False
        self._places, self._places_known_until_s = 1, 0.0
        self._head, self._look_at_s, self._missed, self._is_gone = "", 0.0, 0, False

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            SetupError: There is no such cluster, or it has too few GPUs and no machine can join it.
        """
        check_answers(self._address)
        if self._address == LOCAL:  # one that has gone does not come back
            os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "15")
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            ray.init(
                address=self._address,
                include_dashboard=False if self._address == LOCAL else None,
                log_to_driver=self._debug,
                logging_level=logging.INFO if self._debug else logging.ERROR,
            )
        except Exception as error:  # of several kinds, none of them Ray's own
            raise no_cluster(self._address, error) from error
        finally:
            for number, handler in before.items():  # Ray sets its own
                signal.signal(number, handler)
        self._head = self._address
        if not self._address.startswith("ray://"):
            self._head = str(ray.get_runtime_context().gcs_address)
        self._check_gpus()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_gone:
            return  # there is nobody to say goodbye to, which Ray would wait for
        for actor in [*self._pending.values(), *self._idle]:
            self._kill(actor)
        self._pending.clear()
        self._idle.clear()
        ray.shutdown()

    def submit(self, name: str, message: Json, *, first: bool = False) -> None:
        """Have a step done some time, or before all that wait; also while results are read."""
        put = self._waiting.appendleft if first else self._waiting.append
        put((name, message))

    def results(self) -> Iterator[Done | Failed]:
        """Give results as they come; ends early after a stop.

        Raises:
            CamstreamError: What the actors work with cannot be opened.
            SetupError: Actors cannot be started, or the cluster is gone.
        """
        while self._waiting or any(actor.name for actor in self._pending.values()):
            if self._stop():
                return
            self._hand_out()
            try:
                ready, _ = ray.wait(list(self._pending), num_returns=1, timeout=_TICK_S)
            except exceptions.RayError as error:
                raise gone(error) from error
            for reference in ready:
                result = self._end(reference)
                if result is not None:
                    yield result
            self._check_time()
            self._check_head()

    def _hand_out(self) -> None:
        while self._waiting and self._idle:
            actor = self._idle.pop()
            actor.name, message = self._waiting.popleft()
            self._on_begin(actor.name)
            actor.begun_s = time.monotonic()
            self._pending[actor.handle.run.remote(message)] = actor
        starting = sum(not actor.is_ready for actor in self._pending.values())
        while starting < len(self._waiting) and len(self._pending) < self._most():
            self._start()
            starting += 1

    def _check_gpus(self) -> None:
        """Say where actors would wait for a GPU that is not there: Ray says nothing."""
        have: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        if have.get("GPU", 0) >= self._gpus:
            return
        problem = (
            f"--gpus-per-worker {self._gpus:g} is more than the cluster has: {have.get('GPU', 0):g}"
        )
        if self._address == LOCAL:
            ray.shutdown()
            raise SetupError(problem)
        _log.warning("%s; the work waits until machines that have some join it", problem)

    def _most(self) -> int:
        """How many actors there may be: as many as find their places, also on machines that join."""
        if self._jobs is not None:
            return self._jobs
        if time.monotonic() < self._places_known_until_s:
            return self._places
        self._places_known_until_s = time.monotonic() + _PLACES_S
        have: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        places = have.get("CPU", 1) / self._threads
        if self._gpus:
            places = min(places, have.get("GPU", 0) / self._gpus)
        self._places = max(1, int(places))
        return self._places

    def _start(self) -> None:
        kind = ray.remote(num_cpus=self._threads, num_gpus=self._gpus, max_restarts=0)(Worker)
        actor = _Actor(kind.remote(self._options))
        self._pending[actor.handle.about.remote()] = actor

    def _end(self, reference: Any) -> Done | Failed | None:
        """Deal with what has ended."""
        actor = self._pending.pop(reference)
        name, actor.name = actor.name, ""
        try:
            answer: Json = ray.get(reference)
        except exceptions.RayActorError as error:
            return self._buried(actor, name, error)
        except exceptions.OutOfMemoryError:
            self._kill(actor)
            return Failed(name=name, error="it took too much memory", kind="memory")
        except exceptions.RayTaskError as error:
            self._idle.append(actor)
            line = f"{first_line(error.cause)}; this is a mistake in camstream"
            return Failed(name=name, error=line, kind="mistake")
        except exceptions.RayError as error:
            raise gone(error) from error
        if "unusable" in answer:
            raise error_from_json(answer["unusable"])
        self._idle.append(actor)
        if "ready" in answer:
            actor.is_ready, self._failed_starts = True, 0
            if not self._is_known:
                self._is_known = True
                self._on_ready(answer["ready"])
            return None
        if "done" in answer:
            return Done(name=name, result=answer["done"])
        return Failed.of(name, answer["failed"])

    def _buried(self, actor: _Actor, name: str, error: Exception) -> Failed | None:
        if name:
            kind = "timeout" if actor.why else "died"
            why = "its worker died: a library crashed, or it was killed, or its machine is gone"
            return Failed(name=name, error=actor.why or why, kind=kind)
        self._failed_starts += 1
        if self._failed_starts >= _STARTS:
            raise SetupError(f"the workers die at their start: {first_line(error)}")
        return None

    def _check_time(self) -> None:
        if self._timeout_s is None:
            return
        now = time.monotonic()
        for actor in self._pending.values():
            if actor.name and not actor.why and now - actor.begun_s > self._timeout_s:
                actor.why = f"it took longer than {self._timeout_s:g} s (--file-timeout)"
                self._kill(actor)

    def _check_head(self) -> None:
        """Raise where the cluster is gone: Ray itself would wait, and then end the process."""
        now = time.monotonic()
        if now < self._look_at_s:
            return
        self._look_at_s = now + _LOOK_S
        try:
            check_answers(self._head)
            self._missed = 0
        except SetupError as error:
            self._missed += 1
            if self._missed >= _MISSED:
                self._is_gone = True
                raise gone(error.__cause__ or error) from error

    def _kill(self, actor: _Actor) -> None:
        with contextlib.suppress(exceptions.RayError):
            ray.kill(actor.handle)
