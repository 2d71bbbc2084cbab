"""On a machine with an NVIDIA GPU: python -m pytest -m gpu."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from camstream.models.device import has_nvidia_driver
from camstream.models.session import Model

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not has_nvidia_driver(), reason="no NVIDIA driver on this machine"),
]


@pytest.fixture(scope="module")
def on_cuda(lite0: Path) -> Model:
    return Model(lite0, device="cuda")


def test_cuda_runs(on_cuda: Model, lite0: Path) -> None:
    assert on_cuda.session.get_providers()[0] == "CUDAExecutionProvider"
    assert Model(lite0, device="auto").device == "cuda"


@pytest.mark.parametrize("shape_hw", [(224, 224), (720, 1280), (640, 360)])
def test_cuda_says_what_the_cpu_says(
    on_cuda: Model, model: Model, shape_hw: tuple[int, int]
) -> None:
    image = np.random.default_rng(2).integers(0, 256, (*shape_hw, 3), np.uint8)
    classes = [-1, 3, 999]
    cuda, cpu = on_cuda.predict(image, classes=classes), model.predict(image, classes=classes)
    np.testing.assert_allclose(cuda.cam.maps, cpu.cam.maps, atol=1e-2, rtol=1e-2)
    got, want = ([top.logit for top in prediction.top] for prediction in (cuda, cpu))
    np.testing.assert_allclose(got, want, atol=1e-2, rtol=1e-2)
    logits = cuda.cam.maps.mean(axis=(1, 2)) + cuda.cam.bias
    assert logits[0] == pytest.approx(cuda.top[0].logit, abs=1e-2)


def test_cuda_is_faster(on_cuda: Model, model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    image = np.zeros((224, 224, 3), np.uint8)

    def median_ms(chosen: Model) -> float:
        times = []
        for _ in range(30):
            started = time.perf_counter()
            chosen.predict(image)
            times.append(time.perf_counter() - started)
        return float(np.median(times)) * 1e3

    cuda_ms, cpu_ms = median_ms(on_cuda), median_ms(model)
    with capsys.disabled():
        print(f"\none frame: CUDA {cuda_ms:.2f} ms, CPU {cpu_ms:.2f} ms")
    assert cuda_ms < cpu_ms
