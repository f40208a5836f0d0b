"""`tunec import`: read the foreign files, translate them, write task.yaml, and report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from compiler.parse import Node
from stages.diagnostics import Span
from tunec.importing import axolotl, llamafactory, shared
from tunec.importing.draft import Draft
from tunec.importing.ledger import Ledger
from tunec.importing.place import Place
from tunec.importing.reading import read, refuse
from tunec.importing.reporting import foretell, report
from tunec.importing.writing import write

INFO = "dataset_info.json"
_ANOTHER = "name another --out FILE"
_FORMATS = {axolotl.NAME: axolotl, llamafactory.NAME: llamafactory}


def import_files(format: str, files: Sequence[Path], out: Path) -> str:
    """Write `out` out of the training file among `files`, and return the report.

    Raises T430 when `out` is there, T431 to T434 for a file that cannot be read, T435 for one of the other project,
    T436 for one that trains nothing, T437 for none or two training files, T439 when `out` cannot be written.
    """
    if os.path.lexists(out):
        raise refuse("T430", f"{out} is there already, and an import overwrites nothing", None, _ANOTHER)
    training = _training(files)
    tree = read(training)
    _belongs(tree, format, training)
    ledger, info, draft = Ledger(tree), _info(format, training, files, tree), Draft()
    place = Place(out.parent, tuple(dict.fromkeys((out.parent, Path(), training.parent))))
    if format == axolotl.NAME:
        axolotl.translate(ledger, draft, place)
    else:
        llamafactory.translate(ledger, info, draft, place)
    shared.task_name(ledger, draft, training)
    shared.undecided(draft)
    text = write(draft, _head(format, training))
    expected = foretell(text, out)
    _save(out, text)
    return report(draft, [ledger, *([info] if info else [])], expected, training.as_posix(), out.as_posix())


def _training(files: Sequence[Path]) -> Path:
    """The one file of a training among those that are named; the others describe datasets."""
    found = [file for file in files if file.suffix != ".json"]
    if len(found) != 1:
        many = f"{len(found)} training files are named" if found else "no training file is named"
        help = f"name one training file in YAML, and {INFO} beside it where there is one"
        raise refuse("T437", many, None, help)
    return found[0]


def _belongs(tree: Node, format: str, file: Path) -> None:
    """Raises T435 for a file of the other project, T436 for one that trains nothing."""
    keys = set(tree.value)
    hits = {name: len(keys & known.MARKS) for name, known in _FORMATS.items()}
    other = max(set(_FORMATS) - {format}, key=lambda name: hits[name])
    span = Span(file.as_posix(), 1)
    if hits[other] > hits[format]:
        seen = ", ".join(sorted(keys & _FORMATS[other].MARKS)[:5])
        help = f"run `tunec import {other}` on it"
        raise refuse("T435", f"this looks like a file of {other}, not of {format}", span, help, f"its keys: {seen}")
    if not keys & _FORMATS[format].TRAINS:
        help = "this is a task already: `tunec check` it" if "input_template" in keys else "name a training file"
        note = f"a training has one of {', '.join(sorted(_FORMATS[format].TRAINS))}"
        raise refuse("T436", f"this is no training file of {format}", span, help, note)


def _info(format: str, training: Path, files: Sequence[Path], tree: Node) -> Ledger | None:
    """The dataset_info.json that is named, or that lies where LLaMA-Factory would look for it."""
    if format != llamafactory.NAME:
        return None
    named = [file for file in files if file != training]
    if len(named) > 1:
        raise refuse("T437", f"{len(named)} JSON files are named", None, f"name one {INFO}")
    folder = tree.get("dataset_dir")
    inside = str(folder.value) if folder and isinstance(folder.value, str) else "data"
    for path in [*named, *(base / where / INFO for base in (Path(), training.parent) for where in (inside, "."))]:
        if path in named or _is_file(path):
            return Ledger(read(path))
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is longer than a name can be
        return False


def _head(format: str, training: Path) -> str:
    name = repr(training.name)[1:-1]  # one line, whatever it is called
    return f"Imported from {name} of {format}. Look at every line that says `to decide`, then run `tunec check`."


def _save(out: Path, text: str) -> None:
    """Written anew or not at all."""
    try:
        with out.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise refuse("T430", f"{out} is there already, and an import overwrites nothing", None, _ANOTHER) from None
    except OSError as error:
        raise refuse("T439", f"{out} cannot be written: {error.strerror}", None, _ANOTHER) from None
