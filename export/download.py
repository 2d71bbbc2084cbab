"""Downloads published weights, files whose names contain the beginning of their SHA-256.

Each file is downloaded once, into the user's cache folder; an interrupted download is continued.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO

import platformdirs

from camstream.address import shown
from camstream.errors import ModelError, SetupError

_CHUNK = 1 << 18
_TIMEOUT_S = 30.0
_MB = 1e6
_MOST_BYTES = 4_000_000_000  # the largest published network has 2.6 GB


class _SameScheme(urllib.request.HTTPRedirectHandler):
    """Follows a server to another address, but not from https to http or to anything else."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme = urllib.parse.urlsplit(newurl).scheme
        if scheme != req.type:
            fp.close()
            raise urllib.error.URLError(
                f"the server leads from {req.type} to {scheme}, which is not followed"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_opener = urllib.request.build_opener(_SameScheme)


def fetch(
    file_name: str,
    *,
    base_url: str,
    folder: Path | None = None,
    progress: Callable[[str], None],
) -> Path:
    """Return the path of a file on this machine; download what is missing.

    Args:
        file_name: Ends in "-" and the first hexadecimal digits of the content's SHA-256, before
            the suffix: "resnet18-f37072fd.pth".
        base_url: An http or https folder; ends in "/".
        folder: Where files are kept; None: the user's cache folder.
        progress: Called with the megabytes so far.

    Raises:
        SetupError: The file cannot be downloaded; the part that has arrived is kept.
        ModelError: The server sent another file, or one that is too large; it is deleted.
    """
    folder = folder or platformdirs.user_cache_path("camstream") / "weights"
    path, part = folder / file_name, folder / f"{file_name}.part"
    digits = _digits(file_name)
    if _is_whole(path, digits):
        return path
    url = base_url + file_name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not _is_whole(part, digits):
            _download(url, part, progress)
        if not _is_whole(part, digits):
            part.unlink()
            raise ModelError(
                f"what {shown(url)} sent is not that file: its SHA-256 does not begin with "
                f"{digits}; it was deleted, try again"
            )
        part.replace(path)
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", None) or error
        reason = getattr(cause, "strerror", None) or cause
        raise SetupError(
            f"cannot download {shown(url)} to {folder}: {reason or type(error).__name__}; connect "
            "to the internet and try again (it goes on where it stopped), or give a file that "
            "you have: --weights FILE"
        ) from error
    return path


def _download(url: str, part: Path, progress: Callable[[str], None]) -> None:
    """Append to ``part`` what is missing; a server without ranges sends everything again."""
    start = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = _opener.open(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            part.unlink()  # longer than the file: a part of another one
            _download(url, part, progress)
            return
        raise
    with response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            start = 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        done = start
        if total is not None and total > _MOST_BYTES:
            raise _too_large(url, part)
        with part.open("ab" if start else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                if done > _MOST_BYTES:
                    raise _too_large(url, part)
                of_all = f" of {total / _MB:.1f}" if total else ""
                progress(f"downloading {part.stem}: {done / _MB:.1f}{of_all} MB")
    if total is not None and done < total:
        raise ConnectionError(
            f"the connection ended after {done / _MB:.1f} of {total / _MB:.1f} MB"
        )


def _too_large(url: str, part: Path) -> ModelError:
    part.unlink(missing_ok=True)
    return ModelError(
        f"{shown(url)} is larger than {_MOST_BYTES / _MB:g} MB, which no weights are; nothing is kept"
    )


def _digits(file_name: str) -> str:
    match = re.search(r"-([0-9a-f]{8,64})\.\w+$", file_name)
    if match is None:
        raise ModelError(f"the file name {file_name} carries no hash to check it by")
    return match[1]


def _is_whole(path: Path, digits: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return digest.startswith(digits)
