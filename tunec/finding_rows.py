"""`tunec data show ID`: where a row of the build stands in the task's own files. Sources are read again: no stage keeps
a table of ids and lines.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from compiler.plan import Plan
from stages.data import DataParams
from stages.diagnostics import UserError, fail
from stages.rows import dumps
from stages.wording import tame
from tunec import lineage, masking
from tunec.compiling import compile_workspace
from tunec.hiding import safe

ID = re.compile(r"\b[0-9a-f]{12}\b")


def worded(found: Sequence[Mapping[str, Any]]) -> str:
    """Places of a row, each with what stands there."""
    return tame("\n".join(f"{one['file']}:{one['line']}: row {one['id']}\n    {one['text']}" for one in found))


def places(root: Path, id: str) -> list[dict[str, Any]]:
    """{id, file, line, text} of the row, nothing personal in the text; of one that a teacher made, those of the row
    that it was made from.

    Raises T613 where no source has it.
    """
    if found := list(_of(root, id)):
        return found
    parent = _parent(root, id)
    if parent and (found := list(_of(root, parent))):
        return found
    help = "take an id of this build; a source that was changed since has other rows, until `tunec build data`"
    raise fail("T613", f"no source holds a row {id}", help=help)


def standing(root: Path, plan: Plan, ids: Collection[str]) -> dict[str, str]:
    """Id -> `file:line` where the row stands first; without those that no source has as it is now. Sources are read
    until all are found.
    """
    decided = plan["data"].inputs.get("decisions")
    found: dict[str, str] = {}
    groups = lineage.rows(plan, root / str(decided) if decided else None) if ids else []
    every = ((group, record) for group in groups for record in group.records(root))
    for group, (file, line, _, columns, source) in every:
        for id in group.ids(columns, source):
            if id in ids:
                found.setdefault(id, f"{file}:{line}")
        if len(found) == len(ids):
            break
    return found


def placed(text: str, places: Mapping[str, str]) -> str:
    """A text that names rows by their ids, with the place of each behind it, where it has one."""
    return ID.sub(lambda found: f"{found[0]} ({places[found[0]]})" if found[0] in places else found[0], text)


def _of(root: Path, id: str) -> Iterator[dict[str, Any]]:
    plan = compile_workspace(root, []).plan
    decided = plan["data"].inputs.get("decisions")
    regions = DataParams(**plan["data"].params).settings.regions
    for group in lineage.rows(plan, root / str(decided) if decided else None):
        for file, line, raw, columns, source in group.records(root):
            if id in group.ids(columns, source):
                yield {"id": id, "file": file, "line": line, "text": safe(dumps(raw), regions)}


def _parent(root: Path, id: str) -> str | None:
    """The row that a teacher made this one from; None where it made none of that id."""
    try:
        return masking.find(root, id)[0].parent
    except UserError:
        return None
