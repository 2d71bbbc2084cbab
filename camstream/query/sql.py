"""SQL over an archive, by DuckDB: only questions, and only to the files of the archive."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camstream.errors import SetupError, UsageError, first_line
from camstream.query.folder import RECORDS, VIDEOS, find_videos

# What DuckDB would otherwise do on its own: look names up among the caller's variables, load and fetch
# extensions, write what does not fit in memory into a folder of its own.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "python_enable_replacements": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "temp_directory": "",
}
_ROWS_AT_ONCE = 1000
_PATIENCE_S = 0.1


@dataclass(frozen=True, slots=True)
class Table:
    """What a question in SQL gives.

    Attributes:
        names: Of the columns.
        rows: Read as they are asked for.
    """

    names: Sequence[str]
    rows: Iterator[Sequence[Any]]


@contextlib.contextmanager
def ask(folder: Path, sql: str) -> Iterator[Table]:
    """Ask a question in SQL; the views ``frames`` and ``videos`` are the archive's.

    Args:
        folder: The archive.
        sql: One SELECT, or another statement that only reads (FROM, WITH, VALUES, DESCRIBE, SUMMARIZE).

    Yields:
        The answer; it can be read until the end of the body.

    Raises:
        UsageError: It is no such statement, it is wrong, or it asks for another file.
        SetupError: DuckDB is not installed.
    """
    duckdb = import_duckdb()
    with contextlib.closing(duckdb.connect(config=_SETTINGS)) as connection, _plainly(duckdb):
        statement = _only_question(duckdb, sql)
        try:
            _prepare(connection, folder, sql)
            cursor = _execute(connection, statement)
        except (duckdb.BinderException, duckdb.InvalidInputException):
            # Perhaps other versions wrote some of the files; to look into each takes twice as long.
            with contextlib.closing(duckdb.connect(config=_SETTINGS)) as another:
                _prepare(another, folder, sql, all_columns=True)
                cursor = _execute(another, statement)
                yield Table([column[0] for column in cursor.description], _rows(cursor))
                return
        yield Table([column[0] for column in cursor.description], _rows(cursor))


def _execute(connection: Any, statement: Any) -> Any:
    """Execute a statement in a thread: DuckDB does not hear Ctrl-C while it works."""
    with ThreadPoolExecutor(1, "sql") as pool:
        work = pool.submit(connection.execute, statement)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    return work.result(timeout=_PATIENCE_S)
        except BaseException:
            connection.interrupt()
            raise


def _only_question(duckdb: Any, sql: str) -> Any:
    statements = duckdb.extract_statements(sql)
    if len(statements) != 1:
        raise UsageError(f"--sql takes one statement, not {len(statements)}")
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = str(statements[0].type).rpartition(".")[2].replace("_", " ")
        raise UsageError(f"--sql only reads: give a SELECT, not {kind}")
    return statements[0]


def _rows(cursor: Any) -> Iterator[Sequence[Any]]:
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):
        yield from rows


def _prepare(connection: Any, folder: Path, sql: str, *, all_columns: bool = False) -> None:
    """Make the views that are named, then shut everything else off, for good.

    Args:
        connection: To a data base in memory.
        folder: The archive.
        sql: The question.
        all_columns: Views have the columns of every file, and not only of the first one.
    """
    stored = find_videos(folder)
    for view, files in (
        ("frames", [one.records for one in stored]),
        ("videos", [one.row for one in stored]),
    ):
        if not files:
            raise UsageError(f"there is no video in the archive {folder}")
        if view not in sql.lower():
            continue
        listed = ", ".join(_quoted(_escaped(str(path.absolute()))) for path in files)
        connection.execute(
            f"CREATE VIEW {view} AS SELECT * FROM read_parquet([{listed}], "
            f"hive_partitioning = true, union_by_name = {all_columns})"
        )
    places = [str((folder / name).absolute()) for name in (RECORDS, VIDEOS)]
    allowed = ", ".join(_quoted(one) for one in dict.fromkeys([*places, *map(_escaped, places)]))
    connection.execute(f"SET allowed_directories = [{allowed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _escaped(path: str) -> str:
    """Give a path in which no character stands for others."""
    return "".join(f"[{one}]" if one in "*?[" else one for one in path)


@contextlib.contextmanager
def _plainly(duckdb: Any) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        reason = first_line(error)
        if isinstance(error, duckdb.PermissionException):
            reason += " (only the views frames and videos can be read)"
        raise UsageError(f"cannot answer the SQL: {reason}") from error


def import_duckdb() -> Any:
    """Import DuckDB.

    Raises:
        SetupError: It is not installed.
    """
    try:
        return importlib.import_module("duckdb")
    except ImportError as error:
        raise SetupError(
            'SQL needs DuckDB; install it with pip install "camstream[archive]"'
        ) from error
