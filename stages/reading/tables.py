"""Tables that are no text: Parquet, Arrow and Excel. A record's line is the number of its row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.counting import counted
from stages.diagnostics import fail
from stages.reading.record import Record, table_record

_BATCH = 1024


def parquet(path: Path, encoding: str) -> Iterator[Record]:
    import pyarrow.parquet

    return _batches(path, "Parquet", lambda: pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=_BATCH))


def arrow(path: Path, encoding: str) -> Iterator[Record]:
    """Arrow's file format, which is Feather's second too, or its stream."""
    return _batches(path, "Arrow", lambda: _arrow_batches(path))


def _arrow_batches(path: Path) -> Iterator[Any]:
    import pyarrow
    import pyarrow.ipc

    with pyarrow.memory_map(str(path)) as file:
        try:
            reader = pyarrow.ipc.open_file(file)
        except pyarrow.ArrowInvalid:
            yield from pyarrow.ipc.open_stream(file)
            return
        for number in range(reader.num_record_batches):
            whole = reader.get_batch(number)
            yield from (whole.slice(start, _BATCH) for start in range(0, whole.num_rows, _BATCH))


def _batches(path: Path, kind: str, batches: Any) -> Iterator[Record]:
    import pyarrow

    number = 0
    try:
        for batch in batches():
            for fields in batch.to_pylist():
                number += 1
                yield table_record(number, fields)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        message = f"{path.name} is not {kind}, or is damaged: {error}"
        raise fail("T302", message[:300], help="write it anew", file=str(path), line=number + 1) from None


def excel(path: Path, encoding: str) -> Iterator[Record]:
    """The first sheet, whose first row names the columns; a record's line is the sheet's. Cells, never formulas.

    Raises T601 without openpyxl.
    """
    try:
        import openpyxl
    except ImportError:
        help = "pip install 'tunec[xlsx]', or save the sheet as CSV"
        raise fail("T601", "reading .xlsx needs openpyxl", help=help, file=str(path)) from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        rows = book.worksheets[0].iter_rows(values_only=True)
        header = next(rows, None)
        if header is not None:
            yield from _sheet(path, [str(name).strip() if name is not None else "" for name in header], rows)
        book.close()
    except (KeyError, ValueError, OSError, EOFError, IndexError) as error:
        raise _no_excel(path, str(error)) from None
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("openpyxl", "zipfile", "xml", "zlib"):
            raise
        raise _no_excel(path, type(error).__name__) from None


def _no_excel(path: Path, why: str) -> Exception:
    return fail("T302", f"{path.name} is not Excel, or is damaged: {why}"[:300], help="save it anew", file=str(path))


def _sheet(path: Path, header: list[str], rows: Iterator[Any]) -> Iterator[Record]:
    while header and not header[-1]:
        header.pop()
    if len(set(header)) != len(header) or not all(header):
        help = "give every column a name of its own"
        raise fail("T302", f"{path.name}: a column has no name, or two have the same", help=help, file=str(path))
    for number, cells in enumerate(rows, start=2):
        if all(cell is None for cell in cells):
            yield Record(number, None, "an empty line")
        elif any(cell is not None for cell in cells[len(header) :]):
            yield Record(number, None, f"{counted(len(cells), 'cell')} where the header has {len(header)}")
        else:
            yield table_record(number, dict(zip(header, map(_plain, cells), strict=False)))


def _plain(cell: Any) -> Any:
    """Dates as ISO 8601; a whole number as one, for Excel keeps every number as a float."""
    if hasattr(cell, "isoformat"):
        return cell.isoformat()
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell
