"""Diagnostics as a person reads them, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from stages.diagnostics import Diagnostic
from stages.wording import render
from tunec.workspace import Disk


def show(found: Iterable[Diagnostic]) -> None:
    for diagnostic in found:
        print(render(diagnostic, Disk(Path()).line_of), file=sys.stderr)
