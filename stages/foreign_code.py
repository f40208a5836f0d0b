"""Base models that bring code of their own are refused, from wherever they come: nothing of a model is ever run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.diagnostics import fail

_KERNEL = "_implementation"  # attn_implementation: OWNER/KERNEL would be fetched from the Hub, and run


def refuse_code(folder: Path) -> None:
    """Raises T334 when a configuration of a transformers folder names code: Python files in `auto_map`, or kernels.

    A file that is no JSON names nothing; transformers refuses it.
    """
    for file in sorted(folder.glob("*config.json")):
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        for what in _code(values):
            help = "choose a model that transformers knows without code of its own"
            raise fail("T334", f"the base model's {file.name} wants to run code (`{what}`)", help=help)


def _code(values: Any) -> Iterator[str]:
    """The keys that name code, at any depth: a model may consist of several."""
    inner = values.values() if isinstance(values, dict) else values if isinstance(values, list) else ()
    for key, value in values.items() if isinstance(values, dict) else ():
        if key == "auto_map" or (_KERNEL in key and "/" in str(value)):
            yield key
    for value in inner:
        yield from _code(value)
