"""What the doctor finds on machines that are not well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnxruntime as ort
import pytest
from typer.testing import CliRunner

from camstream.commands import app, cameras, doctor
from camstream.commands.doctor import Finding
from camstream.errors import ModelError
from camstream.models import zoo
from camstream.models.device import PROVIDERS
from camstream.models.session import Model

Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Say which packages are installed."""

    def installed(**versions: str) -> None:
        by_name = {name.replace("_", "-"): version for name, version in versions.items()}
        monkeypatch.setattr(doctor, "version_of", lambda name: by_name.get(name.replace("_", "-")))

    return installed


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "has_nvidia_driver", lambda: True)
    monkeypatch.setattr(doctor, "preload_cuda", lambda: "")
    monkeypatch.setattr(ort, "get_available_providers", lambda: list(PROVIDERS.values()))


def _by_subject(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


def test_both_onnxruntime_packages(install: Install) -> None:
    install(onnxruntime="1.22.0", onnxruntime_gpu="1.31.1")
    finding = doctor.check_onnxruntime()
    assert finding.verdict == "problem"
    assert "break each other" in finding.text
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in finding.text


@pytest.mark.parametrize("name", ["onnxruntime", "onnxruntime-gpu"])
def test_one_onnxruntime_package(install: Install, name: str) -> None:
    install(**{name.replace("-", "_"): "1.31.1"})
    assert doctor.check_onnxruntime() == Finding("ok", "onnxruntime", f"{name} 1.31.1")


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "has_nvidia_driver", lambda: False)
    (finding,) = doctor.check_gpu()
    assert finding.verdict == "note"
    assert "CPU" in finding.text


@pytest.mark.usefixtures("driver")
def test_driver_with_a_cpu_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [PROVIDERS["cpu"]])
    found = _by_subject(list(doctor.check_gpu()))
    assert found["NVIDIA driver"].verdict == "ok"
    assert found["CUDA"].verdict == "problem"
    assert "onnxruntime-gpu" in found["CUDA"].text


def _no_cuda(_: str, device: str) -> tuple[None, str, str]:
    raise ModelError(f"device {device!r}: would run on the CPU")


@pytest.mark.usefixtures("driver")
def test_driver_without_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "create_session", _no_cuda)
    monkeypatch.setattr(doctor, "preload_cuda", lambda: "Failed to load libcudnn.so.9\nmore")
    found = _by_subject(list(doctor.check_gpu()))
    assert found["CUDA libraries"].verdict == "problem"
    assert "libcudnn.so.9" in found["CUDA libraries"].text
    assert 'pip install "camstream[cuda]"' in found["CUDA libraries"].text
    assert found["CUDA"].verdict == "problem"


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize("works", [True, False])
def test_cuda_is_tried_for_real(monkeypatch: pytest.MonkeyPatch, works: bool) -> None:
    monkeypatch.setattr(
        doctor, "create_session", (lambda _, device: (None, device, "")) if works else _no_cuda
    )
    finding = _by_subject(list(doctor.check_gpu()))["CUDA"]
    assert finding.verdict == ("ok" if works else "problem")


def test_no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("camstream.sinks.window.sys.platform", "linux")
    finding = doctor.check_display()
    assert finding.verdict == "note"
    assert "--no-window" in finding.text


def test_no_export_extra(install: Install) -> None:
    install(onnx="1.23.2")
    finding = doctor.check_export_extra()
    assert finding.verdict == "note"
    assert 'pip install "camstream[export]"' in finding.text
    assert "torch" in finding.text


@pytest.mark.parametrize(
    ("cameras", "may_read", "verdict", "words"),
    [
        ([], True, "note", "none"),
        (["video0", "video1"], True, "ok", "video1"),
        (["video0"], False, "problem", "usermod -aG video"),
    ],
)
def test_cameras(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    cameras: list[str],
    may_read: bool,
    verdict: str,
    words: str,
) -> None:
    for name in cameras:
        (tmp_path / name).touch()
    monkeypatch.setattr("camstream.commands.cameras.Path", lambda _: tmp_path)
    monkeypatch.setattr("camstream.commands.cameras.sys.platform", "linux")
    monkeypatch.setattr("camstream.commands.cameras.os.access", lambda *_: may_read)
    finding = doctor.check_cameras()
    assert finding.verdict == verdict
    assert words in finding.text


@pytest.mark.parametrize(
    ("platform", "printed", "expected"),
    [
        (
            "darwin",
            '{"SPCameraDataType": [{"_name": "FaceTime"}, {"_name": "USB"}]}',
            "0 (FaceTime)",
        ),
        ("win32", "Integrated Camera\r\n\r\nUSB Camera\r\n", "Integrated Camera, USB Camera"),
    ],
)
def test_cameras_of_other_systems(
    monkeypatch: pytest.MonkeyPatch, platform: str, printed: str, expected: str
) -> None:
    monkeypatch.setattr("camstream.commands.cameras.sys.platform", platform)
    monkeypatch.setattr(cameras, "_ask", lambda *_: printed)
    finding = doctor.check_cameras()
    assert finding.verdict == "ok"
    assert expected in finding.text


@pytest.mark.parametrize("printed", ["", "no JSON", "[]", '{"SPCameraDataType": [3]}'])
def test_a_system_that_tells_nothing_has_its_cameras_tried(
    monkeypatch: pytest.MonkeyPatch, printed: str
) -> None:
    monkeypatch.setattr("camstream.commands.cameras.sys.platform", "darwin")
    monkeypatch.setattr(cameras, "_ask", lambda *_: printed)
    monkeypatch.setattr(cameras, "tried", lambda: ["camera 0"])
    assert doctor.check_cameras() == Finding("ok", "cameras", "camera 0")


def test_a_program_of_the_system_that_is_not_there_tells_nothing() -> None:
    assert cameras._ask("no-such-program") == ""
    assert cameras._ask("false") == ""


def test_the_speed_here_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "measure_rate", lambda _: 24.6)
    default, person = doctor.check_models()
    assert (default.verdict, person.verdict) == ("ok", "ok")
    assert "live at 720p: about 25 frames/s here" in default.text
    assert person.subject == "model person"


def test_the_speed_is_measured(tiny_model: Model) -> None:
    assert 1 < doctor.measure_rate(tiny_model) < 10_000


@pytest.mark.parametrize(
    ("broken", "code"), [(zoo.DEFAULT_MODEL, 1), (zoo.PERSON, 0)], ids=["default", "person"]
)
def test_the_exit_code_says_whether_the_main_job_runs(
    monkeypatch: pytest.MonkeyPatch, broken: str, code: int
) -> None:
    load = zoo.load_model

    def loaded(name: str) -> Model:
        if name == broken:
            raise ModelError("it is damaged")
        return load(name)

    monkeypatch.setattr(zoo, "load_model", loaded)
    monkeypatch.setattr(doctor, "measure_rate", lambda _: 24.6)
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == code, done.output
    assert f"problem  model {broken}: it is damaged" in done.stdout
    assert ("cannot run here" in done.stderr) == (code == 1)


def test_the_command_prints_one_line_per_finding() -> None:
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert len(lines) >= 7
    assert all(line.split()[0] in ("ok", "note", "problem") for line in lines)
