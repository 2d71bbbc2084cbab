"""What tests that train a network share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def calm_torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread, which does not spin on a busy machine; no bar that leaves a thread behind."""
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
