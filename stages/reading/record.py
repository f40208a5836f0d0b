"""One record of a source, whatever file it stood in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from stages.strict_json import strict_json

MAX_RECORD_BYTES = 1_000_000
_BYTES_A_TOKEN = 4  # of common tokenizers, about


@dataclass(frozen=True, slots=True)
class Record:
    """What stands at one line of a source. Either `fields` or `reason` is set.

    line: counts from 1; of a table without lines, the row's number. blank: the columns of a table whose cell is empty:
    they are absent from `fields`.
    """

    line: int
    fields: dict[str, Any] | None
    reason: str | None = None
    blank: tuple[str, ...] = ()


def json_record(line: int, text: bytes, encoding: str = "UTF-8", size: int | None = None) -> Record:
    """A record out of the text of one JSON object. size: bytes it has in the file, where `text` is its beginning."""
    size = size or len(text)
    if size > MAX_RECORD_BYTES:
        return too_long(line, size)
    try:
        decoded = text.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        return Record(line, None, f"not {encoding} at byte {error.start}")
    if not decoded.strip():
        return Record(line, None, "an empty line")
    try:
        value = strict_json(decoded)
    except json.JSONDecodeError as error:
        return Record(line, None, f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}")
    except (ValueError, RecursionError) as error:
        return Record(line, None, f"not JSON: {_said(error)}")
    return Record(line, value) if isinstance(value, dict) else Record(line, None, "not a JSON object")


def too_long(line: int, size: int) -> Record:
    about = f"{size:,} bytes, about {size // _BYTES_A_TOKEN:,} tokens"
    return Record(line, None, f"longer than {MAX_RECORD_BYTES:,} bytes: {about}")


def table_record(number: int, fields: dict[str, Any]) -> Record:
    """A row of a table; nulls are absent fields, for a table has no other way to say so."""
    blank = tuple(name for name, value in fields.items() if value is None)
    fields = _without_nulls(fields)
    try:
        json.dumps(fields, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:  # dates, decimals, bytes, NaN, lone surrogates
        return Record(number, None, f"not JSON: {_said(error)}")
    return Record(number, fields, None, blank)


def _said(error: Exception) -> str:
    """What went wrong, without the text that it went wrong with."""
    return error.reason if isinstance(error, UnicodeError) and hasattr(error, "reason") else str(error)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value
