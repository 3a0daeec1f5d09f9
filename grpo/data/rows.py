"""Raw rows of a file or hub data set, numbered as the user sees them; what cannot be read says why."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
PARQUET_ROWS_AT_ONCE = 1024
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row, read or not."""

    number: int
    """Line of a .jsonl file, or row of a table; counts from 1."""
    values: Mapping[str, Any] | None = None
    fault: str | None = None
    """Why there are no values."""


def read_rows(path: str, *, split: str, subset: str | None) -> list[Row]:
    """All rows of a .jsonl or .parquet file, or of one split of a hub data set; blank lines are not rows.

    Raises:
        ValueError: no such file or data set, an unknown kind of file, or a table that cannot be read at all.
    """
    local = Path(path)
    if local.suffix in (".jsonl", ".parquet"):
        if not local.is_file():
            raise ValueError(f"data file {path!r} does not exist")
        return list(_jsonl(local) if local.suffix == ".jsonl" else _parquet(local))
    if local.exists() or not HUB_ID.fullmatch(path):
        raise ValueError(f"data {path!r}: valid are a .jsonl file, a .parquet file, or a hub id such as 'openai/gsm8k'")
    return _hub(path, split=split, subset=subset)


def _jsonl(path: Path) -> Iterator[Row]:
    # Lines end at \n alone: text mode and str.splitlines would also cut at U+2028 and number the rest wrongly.
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            body = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
            if body.strip():
                yield _parsed(number, body)


def _parsed(number: int, line: bytes) -> Row:
    try:
        values = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Row(number=number, fault=f"not UTF-8: byte 0x{line[error.start]:02x} at position {error.start}")
    except (ValueError, RecursionError) as error:
        return Row(number=number, fault=f"not JSON: {error}")
    if not isinstance(values, dict):
        return Row(number=number, fault=f"a JSON {type(values).__name__}, not an object")
    return Row(number=number, values=values)


def _parquet(path: Path) -> Iterator[Row]:
    # pyarrow comes with `datasets`, whose own reader would first write a copy of the file to its cache.
    import pyarrow  # type: ignore[import-untyped]
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        number = 0
        with pyarrow.parquet.ParquetFile(path) as table:
            for batch in table.iter_batches(PARQUET_ROWS_AT_ONCE):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number=number, values=values)
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise ValueError(f"data file {str(path)!r} cannot be read as parquet after row {number}: {error}") from error


def _hub(path: str, *, split: str, subset: str | None) -> list[Row]:
    import datasets

    try:
        table = datasets.load_dataset(path, subset, split=split)
    except (OSError, ValueError) as error:  # not found and no network are both kinds of OSError there
        raise ValueError(f"hub data set {path!r}, subset {subset!r}, split {split!r}: {error}") from error
    return [Row(number=number, values=values) for number, values in enumerate(table, start=1)]
