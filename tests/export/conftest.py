"""Fixtures of tests that train a network or download weights."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.export import own_networks
from tests.export.publisher import Publisher, serve


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with serve() as publisher:
        yield publisher


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the user's own module own_networks in it."""
    (tmp_path / "own_networks.py").write_text(own_networks.SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_networks", raising=False)
    return tmp_path
