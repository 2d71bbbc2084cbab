"""Fixtures of all tests: models, real data, a cache of their own, a check for threads left."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from camstream.commands.demo import sample_clip
from camstream.models import zoo
from camstream.models.session import Model
from camstream.testing import write_tiny_model

# Threads of torch and OpenBLAS spin while they wait: with several test processes on few processors a
# test of 16 s became one of 300. Read when the libraries are loaded, and by processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test is timed: hypothesis would fail one whose example took 0.2 s on a busy machine.
settings.register_profile("camstream", deadline=None)
settings.load_profile("camstream")

SHARED_DATA = Path(__file__).parent.parent.parent / "shared" / "data"


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither read the user's cache and settings nor write there; their children neither."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="session")
def data() -> Path:
    """Real photos and clips, which lie beside the project and never in it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real photos and clips (../shared/data) are not on this machine")
    return SHARED_DATA


@pytest.fixture(scope="session")
def lite0() -> Path:
    """The default network, as it comes with the package."""
    return zoo.find_model().path


@pytest.fixture(scope="session")
def model(lite0: Path) -> Model:
    return Model(lite0, device="cpu")


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one layer whose evidence is brightness, see ``camstream.testing``."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny.onnx")


@pytest.fixture(scope="session")
def tiny_model(tiny_path: Path) -> Model:
    return Model(tiny_path, device="cpu")


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Every thread that a test starts must have ended with it."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 5
    # tqdm, which torch's exporter uses where it is installed, keeps its daemon on purpose.
    left = {thread for thread in threading.enumerate() if thread.name != "tqdm_monitor"} - before
    while any(thread.is_alive() for thread in left) and time.monotonic() < deadline:
        for thread in left:
            thread.join(0.1)
    alive = [thread.name for thread in left if thread.is_alive()]
    assert not alive, f"threads left running: {alive}"


@pytest.fixture(scope="session")
def sample() -> Path:
    """The project's own clip."""
    return sample_clip()
