"""What near and far side say to one another: JSON objects, one a line, over a pipe that nothing else writes into.

    near                                          far
                                                  {"tunec": "0.1.0", "protocol": 1, "python": "3.11", "rsync": true}
    {"do": "prepare", "stage": …, "inputs": …}    {"differs": […]} | {"missing": […], "free": 9000000} | {"ended": …}
    (rsync) {"do": "arrived"}                     {"wrong": []}
    {"do": "run"}                                 {"progress": […]} {"said": […]} … {"ended": 0, "outputs": {…}}
    (rsync) {"do": "received"}

Near says {"do": "alive"} all the while. A far side that hears nothing for a while takes it that nobody waits any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import IO, Any

from tunec.executing.store import Entry, Listing

PROTOCOL = 1
BEAT, PATIENCE = 10.0, 60.0  # seconds between two signs of life; and without one
_LONGEST = 64 << 20  # bytes of one line


class Garbled(Exception):
    """What came is nothing that the other side may say."""


def say(stream: IO[bytes], said: Mapping[str, Any]) -> None:
    stream.write(json.dumps(said).encode() + b"\n")
    stream.flush()


def hear(stream: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Words until the other side is gone. Raises Garbled."""
    while line := stream.readline(_LONGEST):
        if not line.endswith(b"\n"):
            if len(line) < _LONGEST:  # it ended in the middle of a word
                return
            raise Garbled("a line without end")
        yield word(line)


def word(line: bytes) -> dict[str, Any]:
    """One line. Raises Garbled."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        raise Garbled("no JSON") from None
    if not isinstance(said, dict):
        raise Garbled("no object")
    return said


def packed(files: Listing) -> dict[str, list[Any]]:
    return {path: [entry.sha256, entry.size] for path, entry in files.items()}


def unpacked(told: Any) -> dict[str, Entry]:
    """Raises Garbled."""
    try:
        found = {str(path): Entry(str(sha256), int(size)) for path, (sha256, size) in told.items()}
    except (AttributeError, TypeError, ValueError):
        raise Garbled("no list of files") from None
    if not all(entry.is_sane() for entry in found.values()):
        raise Garbled("no hash of a file")
    return found


def texts(told: Any) -> list[str]:
    """Raises Garbled."""
    if not isinstance(told, list) or not all(isinstance(text, str) for text in told):
        raise Garbled("no list of texts")
    return told


def progress(told: Any) -> tuple[int, int | None, str]:
    """Raises Garbled."""
    match told:
        case [int(done), int() | None as total, str(note)]:
            return done, total, note
    raise Garbled("no progress")


def number(told: Any) -> int:
    """Raises Garbled."""
    if not isinstance(told, int):
        raise Garbled("no number")
    return told
