"""Base models that bring code of their own are refused, from wherever they come: nothing of a model is ever run.

So are folders that lead to files which nobody looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.diagnostics import fail

_KERNEL = "_implementation"  # attn_implementation: OWNER/KERNEL would be fetched from the Hub, and run
_CONFIGS = "*config*.json"  # config.5.0.0.json is what transformers reads where config.json names it
_ADAPTER = "adapter_config.json"  # the model that it names would be fetched, whatever that brings


def refuse_code(folder: Path) -> None:
    """Raises T334 when a configuration of a transformers folder names code: Python files in `auto_map`, or kernels;
    T336 when the folder holds an adapter, whose own base model nothing pins.

    A file that is no JSON names nothing; transformers refuses it.
    """
    if (folder / _ADAPTER).is_file():
        help = "merge the adapter into its base model, and name the folder of what comes of it"
        raise fail("T336", f"the base model is an adapter of another model ({_ADAPTER})", help=help)
    for file in sorted(folder.glob(_CONFIGS)):
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        for what in _code(values):
            help = "choose a model that transformers knows without code of its own"
            raise fail("T334", f"the base model's {file.name} wants to run code (`{what}`)", help=help)


def _code(values: Any) -> Iterator[str]:
    """The keys that name code, at any depth: a model may consist of several."""
    waiting = [values]
    while waiting:
        part = waiting.pop()
        for key, value in part.items() if isinstance(part, dict) else ():
            if key == "auto_map" or (_KERNEL in key and "/" in str(value)):
                yield key
        waiting += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
