"""What a build will run, and why. DVC says what is stale; here its answer becomes causes that a person can follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler import Compiled
from compiler.emit import GUARD, fingerprint_path
from compiler.plan import BUILD, Instance
from tunec import dvc
from tunec.fingerprint import difference
from tunec.guard import fingerprints


@dataclass(frozen=True)
class Step:
    """One stage of a build: whether it will run, and why."""

    name: str
    runs: bool
    reasons: tuple[str, ...]


def steps(root: Path, compiled: Compiled) -> list[Step]:
    """Every stage in the order of the graph. A stage after one that runs may turn out cached, if that one's output
    comes out the same; it is listed as running, with `after ...` as its reason.
    """
    changed = dvc.status(root)
    locked = dvc.lock(root)
    code = fingerprints(compiled)
    runs: dict[str, tuple[str, ...]] = {}
    for instance in compiled.plan.instances:
        own = list(_reasons(root, instance, changed.get(instance.name, []), locked, compiled))
        own += _code(root, instance, code[instance.made.kind])
        after = sorted({name for path in instance.dependencies() if (name := _producer(path)) in runs})
        reasons = [*dict.fromkeys(own), *([f"after {', '.join(after)}"] if after else [])]
        if reasons:
            runs[instance.name] = tuple(reasons)
    return [Step(i.name, i.name in runs, runs.get(i.name, ())) for i in compiled.plan.instances]


def _reasons(
    root: Path, instance: Instance, changed: list[Any], locked: Mapping[str, Any], compiled: Compiled
) -> Iterator[str]:
    if instance.name not in locked:
        yield "never built"
        return
    for entry in changed:
        if isinstance(entry, str):
            yield "its command changed" if entry == "changed command" else entry
            continue
        for path, how in entry.get("changed deps", {}).items():
            if path == "params.yaml":
                yield from _params(instance, dvc.locked_params(locked, instance.name), compiled)
            elif not path.startswith(f"{BUILD}/"):
                yield f"{path} {'is gone' if how == 'deleted' else 'changed'}"
            elif how == "modified" and not path.startswith(f"{BUILD}/{GUARD}/"):
                yield f"{path} changed"
        for path, how in entry.get("changed outs", {}).items():
            yield f"its output {path} is {'missing' if how in ('deleted', 'not in cache') else how}"


def _params(instance: Instance, before: Any, compiled: Compiled) -> Iterator[str]:
    """Each parameter that changed, with its old and new value and the line that sets it now."""
    for path, (old, new) in sorted(_changed(before or {}, dict(instance.params)).items()):
        origin = _origin(path, compiled)
        yield f"{path} {_short(old)} -> {_short(new)}{f' ({origin})' if origin else ''}"


def _changed(before: Any, after: Any, prefix: str = "") -> dict[str, tuple[Any, Any]]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        found: dict[str, tuple[Any, Any]] = {}
        for key in sorted({*before, *after}, key=str):
            found |= _changed(before.get(key), after.get(key), f"{prefix}{key}.")
        return found
    same = before == after or (isinstance(after, tuple) and before == list(after))
    return {} if same else {prefix.rstrip("."): (before, after)}


def _origin(path: str, compiled: Compiled) -> str | None:
    """Where in task.yaml or a preset the key stands that a parameter's last word names; None when that is not clear."""
    word = path.rpartition(".")[2]
    found = {key: node for key, node in _leaves(compiled.tree) if key.rpartition(".")[2] == word}
    if len(found) != 1:
        return None
    span = next(iter(found.values())).span
    return f"{span.file}:{span.line}"


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in node.value.items():
        yield prefix + key, inner
        if isinstance(inner.value, dict):
            yield from _leaves(inner, f"{prefix}{key}.")


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _code(root: Path, instance: Instance, now: str) -> list[str]:
    try:
        before = (root / fingerprint_path(instance.made.kind)).read_text(encoding="utf-8")
    except OSError:
        return []
    return difference(before, now)


def _producer(path: str) -> str | None:
    """The instance that writes a path below build/."""
    parts = path.split("/")
    return parts[1] if parts[0] == BUILD and len(parts) > 2 else None
