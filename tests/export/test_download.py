"""Downloading weights: once, whole, and continued where a download was interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

from camstream.errors import ModelError, SetupError
from export.download import fetch
from tests.export.publisher import CONTENT, NAME, Publisher, serve


def silent(_: str) -> None:
    pass


def test_downloads_once_with_progress(publisher: Publisher, tmp_path: Path) -> None:
    steps: list[str] = []
    for _ in range(2):
        path = fetch(NAME, base_url=publisher.url, folder=tmp_path / "new", progress=steps.append)
        assert path.read_bytes() == CONTENT
    assert publisher.ranges == [None]
    assert steps[-1] == f"downloading {NAME}: 1.3 of 1.3 MB"
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


@pytest.mark.parametrize("declared", [True, False])
def test_what_is_too_large_is_refused_and_not_kept(
    declared: bool, publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.download._MOST_BYTES", 600_000)
    publisher.declares_length = declared
    with pytest.raises(ModelError, match=r"is larger than 0\.6 MB"):
        fetch(NAME, base_url=publisher.url, folder=tmp_path, progress=silent)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["https://127.0.0.1:1/", "ftp://127.0.0.1:1/"])
def test_another_scheme_is_not_followed(target: str, publisher: Publisher, tmp_path: Path) -> None:
    publisher.leads_to = target
    with pytest.raises(SetupError, match="the server leads from http to") as caught:
        fetch(NAME, base_url=publisher.url, folder=tmp_path, progress=silent)
    assert "is not followed" in str(caught.value)


def test_another_address_of_the_same_scheme_is_followed(
    publisher: Publisher, tmp_path: Path
) -> None:
    with serve() as other:
        publisher.leads_to = other.url
        path = fetch(NAME, base_url=publisher.url, folder=tmp_path, progress=silent)
    assert path.read_bytes() == CONTENT
