"""The certificate is kept, private, renewed in time, and valid for the hosts that are asked for."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from cryptography import x509

from camstream.errors import SinkError
from camstream.web.certificate import get_certificate
from camstream.web.qr import as_svg, as_text

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def test_it_is_made_once_and_kept_for_the_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "camstream"
    made = get_certificate(["192.0.2.7"], folder=folder)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(folder.iterdir()) == [made.path]
    made.path.chmod(0o644)
    again = get_certificate(["192.0.2.7", "localhost"], folder=folder)
    assert again.fingerprint == made.fingerprint
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600


def test_another_host_is_added_to_those_before(tmp_path: Path) -> None:
    first = get_certificate(["192.0.2.7"], folder=tmp_path)
    second = get_certificate(["box.example", "2001:db8::7"], folder=tmp_path)
    assert second.fingerprint != first.fingerprint
    third = get_certificate(["192.0.2.7", "Box.Example"], folder=tmp_path)
    assert third.fingerprint == second.fingerprint


@pytest.mark.parametrize(
    ("days", "is_renewed"), [(0, False), (300, False), (340, True), (800, True), (-9, True)]
)
def test_it_is_renewed_before_its_end(tmp_path: Path, days: int, is_renewed: bool) -> None:
    first = get_certificate([], folder=tmp_path, now=NOW)
    ends = x509.load_pem_x509_certificate(first.path.read_bytes()).not_valid_after_utc
    assert timedelta(days=360) < ends - NOW < timedelta(days=398)  # what phones accept
    later = get_certificate([], folder=tmp_path, now=NOW + timedelta(days=days))
    assert (later.fingerprint != first.fingerprint) is is_renewed


@pytest.mark.parametrize("damage", [b"", b"garbage", b"cut", b"other"])
def test_one_that_is_damaged_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    first = get_certificate([], folder=tmp_path)
    whole = first.path.read_bytes()
    other = get_certificate([], folder=tmp_path / "other").path.read_bytes()
    mixed = (
        other[: other.index(b"-----BEGIN PRIVATE")] + whole[whole.index(b"-----BEGIN PRIVATE") :]
    )
    first.path.write_bytes({b"cut": whole[:300], b"other": mixed}.get(damage, damage))
    again = get_certificate([], folder=tmp_path)
    assert again.fingerprint != first.fingerprint


def test_where_it_cannot_be_kept_one_line_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match=r"^cannot keep a certificate for https in .*file"):
        get_certificate([], folder=tmp_path / "file" / "below")


def test_a_client_that_trusts_it_connects_by_name_and_by_address(tmp_path: Path) -> None:
    made = get_certificate(["192.0.2.7"], folder=tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.path, made.path)
    for host, is_right in (("localhost", True), ("192.0.2.7", True), ("192.0.2.8", False)):
        client = ssl.create_default_context(cafile=str(made.path))
        here, there = socket.socketpair()
        errors: list[Exception] = []

        def accept(there: socket.socket = there, errors: list[Exception] = errors) -> None:
            try:
                server.wrap_socket(there, server_side=True).close()
            except (ssl.SSLError, OSError) as error:
                errors.append(error)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            wrapped = client.wrap_socket(here, server_hostname=host)
        except ssl.SSLCertVerificationError:
            assert not is_right
        else:
            assert is_right
            digest = ssl.DER_cert_to_PEM_cert(wrapped.getpeercert(binary_form=True) or b"")
            assert digest in made.path.read_text()
            wrapped.close()
        here.close()
        thread.join()
        there.close()


LINK = "https://192.168.178.35:8765/phone?token=UZwwKKnKe1rA7lZnVxQm2SgnfhVQkJ0O"


def test_the_code_in_the_terminal_can_be_read() -> None:
    lines = as_text(LINK).split("\n")
    assert max(map(len, lines)) <= 80
    cells = {"\u2588": (1, 1), "\u2580": (1, 0), "\u2584": (0, 1), " ": (0, 0)}
    assert set("".join(lines)) <= set(cells)
    rows = [[cells[one][half] for one in line] for line in lines for half in (0, 1)]
    image = np.kron(np.array(rows[: len(rows) - 1], np.uint8) * 255, np.ones((8, 8), np.uint8))
    assert cv2.QRCodeDetector().detectAndDecode(image)[0] == LINK


def test_the_code_as_a_picture_is_svg_without_script_or_style() -> None:
    root = ElementTree.fromstring(as_svg(LINK))
    assert root.tag.endswith("svg")
    assert "viewBox" in root.attrib
    kinds = {one.tag.rpartition("}")[2] for one in root.iter()}
    assert kinds == {"svg", "path"}
    assert not any("style" in one.attrib for one in root.iter())
