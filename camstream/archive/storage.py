"""Where an archive lies, and where its videos come from: folders, or addresses such as s3://.

A worker writes each file in a folder of its own, and gives it its name in the archive when it is
whole: by renaming where the archive is a folder, by one upload where it is an address.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from camstream.address import file_of, is_address, shown
from camstream.archive import layout
from camstream.archive.locks import sweep, temporary_folder
from camstream.errors import NotFoundError, SetupError, SinkError, SourceError, first_line
from camstream.sinks.atomic_file import plain_reasons

# The extra, or else the package, that brings the file system of an address.
_BROUGHT_BY = {"s3": "s3", "gs": "gs", "gcs": "gs"}


class Folder(Protocol):
    """The folder of an archive."""

    def scratch(self) -> contextlib.AbstractContextManager[Path]:
        """Give a folder on this machine for files that are not whole; it is removed at the end."""
        ...

    def publish(self, path: Path, name: str) -> None:
        """Give a whole file its name in the archive; what has it is replaced."""
        ...

    def fetch(self, name: str, scratch: Path) -> Path:
        """Return where a file of the archive can be read on this machine."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is a file of that name."""
        ...

    def size(self, name: str) -> int | None:
        """Size of a file in bytes; None: there is none of that name."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file if it is there; a folder with all that is in it."""
        ...


class LocalFolder:
    """An archive in a folder that this machine sees."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """Make a folder in the archive's own: files are renamed and not copied.

        Raises:
            SinkError: It cannot be made.
        """
        own = self._path / layout.WORK / layout.scratch_name(os.getpid(), secrets.token_hex(4))
        with plain_reasons(own):
            own.mkdir(parents=True)
        try:
            yield own
        finally:
            shutil.rmtree(own, ignore_errors=True)

    def publish(self, path: Path, name: str) -> None:
        """Rename a file.

        Raises:
            SinkError: That is impossible.
        """
        target = self._path / name
        with plain_reasons(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)

    def fetch(self, name: str, scratch: Path) -> Path:  # noqa: ARG002
        """Return its path."""
        return self._path / name

    def exists(self, name: str) -> bool:
        """Whether it is there."""
        return (self._path / name).is_file()

    def size(self, name: str) -> int | None:
        """Ask for its size."""
        try:
            return (self._path / name).stat().st_size
        except OSError:
            return None

    def remove(self, name: str) -> None:
        """Remove it.

        Raises:
            SinkError: That is impossible.
        """
        path = self._path / name
        with plain_reasons(path):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


class RemoteFolder:
    """An archive at an address, by fsspec."""

    def __init__(self, address: str) -> None:
        self._fs, self._root = _file_system(address)
        self._shown = shown(address)
        sweep()  # what killed workers left may be whole videos

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """Make a temporary folder.

        Raises:
            SinkError: It cannot be made.
        """
        with temporary_folder() as path:
            yield path

    def publish(self, path: Path, name: str) -> None:
        """Upload a file: it is seen when it is whole.

        Raises:
            SinkError: That is impossible.
        """
        with self._writing(name):
            self._fs.put_file(str(path), self._at(name))

    def fetch(self, name: str, scratch: Path) -> Path:
        """Download it.

        Raises:
            SourceError: That is impossible.
        """
        path = scratch / f"{secrets.token_hex(4)}-{Path(name).name}"
        with _reading(f"{self._shown}/{name}"):
            self._fs.get_file(self._at(name), str(path))
        return path

    def fetch_all(self, name: str, to: Path) -> None:
        """Download a folder with all that is in it; nothing where there is none.

        Raises:
            SourceError: That is impossible.
        """
        with _reading(f"{self._shown}/{name}"):
            self._fs.invalidate_cache()
            if self._fs.exists(self._at(name)):
                self._fs.get(self._at(name) + "/", f"{to}/", recursive=True)

    def exists(self, name: str) -> bool:
        """Whether it is there."""
        with _reading(f"{self._shown}/{name}"):
            return bool(self._fs.exists(self._at(name)))

    def size(self, name: str) -> int | None:
        """Ask for its size."""
        with _reading(f"{self._shown}/{name}"):
            try:
                return int(self._fs.size(self._at(name)) or 0)
            except FileNotFoundError:
                return None

    def remove(self, name: str) -> None:
        """Remove it.

        Raises:
            SinkError: That is impossible.
        """
        with self._writing(name), contextlib.suppress(FileNotFoundError):
            self._fs.rm(self._at(name), recursive=True)

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextlib.contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        try:
            yield
        except SinkError:
            raise
        except Exception as error:  # each file system has errors of its own
            raise SinkError(f"cannot write {self._shown}/{name}: {first_line(error)}") from error


def open_folder(address: str) -> LocalFolder | RemoteFolder:
    """Open the folder of an archive by its path or address.

    Raises:
        SetupError: What reads such addresses is not installed.
    """
    return RemoteFolder(address) if is_address(address) else LocalFolder(file_of(address))


@contextlib.contextmanager
def local_copy(source: str, scratch: Path) -> Iterator[Path]:
    """Give the path of an input on this machine: its own, or that of a copy, removed at the end.

    Raises:
        SourceError: It cannot be read.
        SetupError: What reads such addresses is not installed.
    """
    if not is_address(source):
        yield Path(source)
        return
    system, path = _file_system(source)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="input-") as folder:
        copy = Path(folder) / Path(path).name
        with _reading(shown(source)):
            system.get_file(path, str(copy))
        yield copy


def look_up(source: str) -> tuple[int, int]:
    """Return size (bytes) and time (nanoseconds since 1970; 0: unknown) of what an address names.

    Raises:
        SourceError: It cannot be read.
        SetupError: What reads such addresses is not installed.
    """
    system, path = _file_system(source)
    with _reading(shown(source)):
        found = system.info(path)
        modified = found.get("LastModified") or found.get("mtime") or found.get("updated")
        stamp = getattr(modified, "timestamp", lambda: 0.0)()
        return int(found["size"] or 0), int(stamp * 1e3) * 1_000_000


def expand_address(address: str, suffixes: frozenset[str]) -> list[str]:
    """Return the videos that an address stands for: itself, those in a folder, or a glob's.

    Raises:
        NotFoundError: There is none.
        SourceError: It cannot be read.
        SetupError: What reads such addresses is not installed.
    """
    system, path = _file_system(address)
    with _reading(shown(address)):
        if "*" in path or "?" in path:
            found = system.glob(path)
        elif system.isfile(path):
            return [address]
        else:
            found = [one for one in system.ls(path, detail=False) if one.rstrip("/") != path]
    videos = sorted(name for name in found if Path(name).suffix.lower() in suffixes)
    if not videos:
        raise NotFoundError(f"there is no video under {shown(address)}")
    return [system.unstrip_protocol(name) for name in videos]


def _file_system(address: str) -> tuple[Any, str]:
    scheme = address.partition(":")[0].lower()
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        extra = _BROUGHT_BY.get(scheme)
        remedy = f'install it with pip install "camstream[{extra}]"' if extra else "install it"
        raise SetupError(
            f"{shown(address)} needs a package that reads {scheme}:// ({first_line(error)}); {remedy}"
        ) from error
    except ValueError as error:
        raise SourceError(f"cannot read {shown(address)}: {first_line(error)}") from error
    return system, str(path).rstrip("/")


@contextlib.contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except (SourceError, SinkError):
        raise
    except FileNotFoundError as error:
        raise NotFoundError(f"cannot read {name}: there is no such file") from error
    except Exception as error:  # each file system has errors of its own
        raise SourceError(f"cannot read {name}: {first_line(error)}") from error
