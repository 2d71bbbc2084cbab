"""A certificate for https, made on this machine and kept, so that a phone accepts it once.

Nobody vouches for it: a browser warns, and its fingerprint, which camstream prints, is how one can
tell that the page is really camstream's. Key and certificate lie in one file of the user's own data
folder that only the user can read.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import platformdirs
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from camstream.errors import SinkError, first_line

_NAME = "camstream"
_FILE = "https.pem"
_VALID = timedelta(days=365)  # browsers of phones refuse what is valid for more than 398
_RENEWED = timedelta(days=30)  # before its end
_SKEW = timedelta(days=1)  # a phone's clock may be behind
_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Certificate:
    """What https needs.

    Attributes:
        path: The file of certificate and key, PEM.
        fingerprint: SHA-256 of the certificate, as browsers show it: "AB:CD:...".
    """

    path: Path
    fingerprint: str


def get_certificate(
    hosts: Iterable[str], *, folder: Path | None = None, now: datetime | None = None
) -> Certificate:
    """Return the certificate of this machine; one is made where there is none that will do.

    Args:
        hosts: Names and addresses by which the page is reached. A certificate that lacks one is
            replaced by one that has it, and all that the old one had.
        folder: Where it is kept; None: the user's data folder.
        now: A parameter for tests.

    Raises:
        SinkError: It cannot be kept.
    """
    folder = platformdirs.user_data_path(_NAME) if folder is None else folder
    path, now = folder / _FILE, now or datetime.now(UTC)
    wanted = {host.lower() for host in hosts} | {"localhost", "127.0.0.1"}
    own = socket.gethostname().lower()
    wanted |= {own, f"{own}.local"} if _is_name(own) else set()
    known = _read(path)
    if known is not None:
        has = _hosts_of(known)
        if wanted <= has and known.not_valid_before_utc <= now < known.not_valid_after_utc - (
            _RENEWED
        ):
            _make_private(path)
            return _told(path, known)
        wanted |= has
    key = ec.generate_private_key(ec.SECP256R1())
    made = _make(key, sorted(wanted), now)
    pem = made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        _write(path, pem)
    except OSError as error:
        raise SinkError(
            f"cannot keep a certificate for https in {folder}: {first_line(error)}"
        ) from error
    return _told(path, made)


def _make(key: ec.EllipticCurvePrivateKey, hosts: list[str], now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "camstream on this machine")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now - _SKEW + _VALID)
        .add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), False)
        # No authority: who trusts it trusts this one page, and nothing that its key could sign.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .sign(key, hashes.SHA256())
    )


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return x509.DNSName(host)


def _hosts_of(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return set()
    addresses = names.get_values_for_type(x509.IPAddress)
    return {*names.get_values_for_type(x509.DNSName), *map(str, addresses)}


def _is_name(host: str) -> bool:
    return (
        host.isascii() and 0 < len(host) < 64 and all(one.isalnum() or one in "-." for one in host)
    )


def _read(path: Path) -> x509.Certificate | None:
    """Read a certificate whose key is there too; None where it is of no use."""
    try:
        pem = path.read_bytes()
        key = serialization.load_pem_private_key(pem, None)
        found = x509.load_pem_x509_certificate(pem)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return found if found.public_key() == key.public_key() else None


def _write(path: Path, pem: bytes) -> None:
    """Write the file whole or not at all; nobody else can read it, not for a moment."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        part.unlink()
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:
            file.write(pem)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _make_private(path: Path) -> None:
    """Take the rights of others away, should they have any."""
    with contextlib.suppress(OSError):
        if path.stat().st_mode & 0o077:
            path.chmod(_PRIVATE)


def _told(path: Path, certificate: x509.Certificate) -> Certificate:
    digest = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    return Certificate(path, digest)
