"""A row's text as a person may see it: on one line, with nothing personal and no secret in it, and short."""

from __future__ import annotations

import json
from pathlib import Path

from compiler.parse import ParseError
from compiler.sources import Pii
from stages.data import DataParams
from stages.diagnostics import UserError
from stages.kinds import PERSONAL, SECRETS
from stages.likeness import said
from stages.personal import Redaction
from stages.rows import dumps

_LONGEST = 240  # characters
_HIDDEN = frozenset((*PERSONAL, *SECRETS))


def safe(text: str, regions: tuple[str, ...]) -> str:
    """Of a line of JSON, or of any text. regions: countries whose phone numbers are known without +."""
    hidden = Redaction(_HIDDEN, regions)
    try:
        value = json.loads(text)
        text = dumps(hidden(value)) if isinstance(value, dict) else hidden(said(value))
    except (ValueError, RecursionError):
        text = hidden(text)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def phone_regions(root: Path) -> tuple[str, ...]:
    """Those of the task that stands in `root`; of one that does not compile, tunec's own."""
    from tunec.compiling import compile_workspace

    try:
        return DataParams(**compile_workspace(root, []).plan["data"].params).settings.regions
    except (UserError, ParseError):
        return tuple(Pii().regions)
