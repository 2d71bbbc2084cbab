"""Damages Parquet tables: whole files, whose columns hold what nobody expects in them."""

from __future__ import annotations

import datetime
import decimal
import io
from random import Random
from typing import Any

import pyarrow
from pyarrow import parquet

# A column of each: Parquet knows many types, and all of them may lack values.
_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 2**62, 0.5, float("nan"), float("inf"), -1e300, "", "nan", "\x1b[31mred"),
    *(
        "x" * 100_000,
        "<script>alert(1)</script>",
        "[" * 3000,
        b"\xff\x00",
        [1, 2],
        [],
        {"a": [None]},
    ),
    *(decimal.Decimal("1e20"), datetime.datetime(2026, 1, 1), datetime.timedelta(days=10**5)),
)


def mutate(data: bytes, rng: Random) -> bytes:
    """Replace, remove, rename or repeat columns and rows of a table."""
    table = parquet.read_table(io.BytesIO(data))
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(table.num_columns)
        name = table.column_names[at]
        act = rng.random()
        if act < 0.6:
            column = pyarrow.array([rng.choice(_VALUES)] * table.num_rows)
            table = table.set_column(at, name, column)
        elif act < 0.7:
            table = table.remove_column(at)
        elif act < 0.8:
            table = table.set_column(at, rng.choice(("", "pts_s", "\x1b[2J")), table.column(at))
        elif act < 0.9:
            table = pyarrow.concat_tables([table, table])
        else:
            table = table.slice(0, rng.choice((0, 1)))
    out = io.BytesIO()
    parquet.write_table(table, out)
    return out.getvalue()
