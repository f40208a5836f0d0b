"""Why a stage is not what it was when it last ran: its parameters, its files, its code and libraries, its outputs.

Each reason is one line: `training.learning_rate 2e-4 -> 1e-4 (task.yaml:31)`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler import Compiled
from compiler.emit import fingerprint_path
from compiler.parse import Node
from compiler.plan import BUILD, Instance
from compiler.task import Task, keys
from compiler.validate import known_key
from stages import history
from stages.base import READ
from stages.counting import counted
from tunec import shown
from tunec.dvc_cache import Hash, hash_of
from tunec.fingerprint import difference

Parts = tuple[str, ...]
# The key that an instance more or less follows from, by the axis that its stage is repeated over.
_AXES = {
    "model": "training.base_model",
    "baseline": "baselines",
    "variant": "training",
    "quantization": "quantization.formats",
    "candidate": "quantization.formats",
}
_TERMS, _RATES = ("costing", "terms"), ("costing", "rates")  # what the stage `cost` has of the section and of prices
_OUTPUTS = {"deleted": "is missing", "not in cache": "is not in DVC's cache", "modified": "is not what it wrote"}


@dataclass(frozen=True)
class Before:
    """What a stage last ran with: its part of dvc.lock, and what its history says."""

    entry: Mapping[str, Any]
    past: history.Past

    def hash(self, path: str) -> Hash | None:
        """Of a file or folder, as it was read."""
        return next((hash_of(one) for one in self.entry.get("deps", []) if one["path"] == path), None)

    def md5(self, path: str) -> str | None:
        return (self.hash(path) or {}).get("md5")

    def params(self, name: str) -> Any:
        return self.entry.get("params", {}).get("params.yaml", {}).get(name) or {}

    def sources(self) -> list[str]:
        """The user's own files that it read."""
        return [one["path"] for one in self.entry.get("deps", []) if not one["path"].startswith(f"{BUILD}/")]


@dataclass(frozen=True)
class Changes:
    """root: the workspace. code: the fingerprint of each stage kind now."""

    root: Path
    compiled: Compiled
    code: Mapping[str, str]

    def of(self, instance: Instance, before: Before, status: list[Any]) -> list[str]:
        """The reasons that lie in an instance itself, not in what other stages give it. status: of DVC."""
        found = [
            *self._params(instance, before),
            *self._sources(instance, before, status),
            *self._code(instance, before),
            *_others(status),
        ]
        return list(dict.fromkeys(found))

    # ------------------------------------------------------------ parameters

    def _params(self, instance: Instance, before: Before) -> Iterator[str]:
        """Each key that changed, with its old and new value and the line that sets it now."""
        old, new = before.params(instance.name), dict(instance.params)
        yield from self._reads(instance, old.get(READ) or {}, new.get(READ) or {})
        changed = differences({k: v for k, v in old.items() if k != READ}, {k: v for k, v in new.items() if k != READ})
        named = {parts: self._written(full_key(parts, instance)) for parts in changed}
        own = {parts for parts, key in named.items() if self._is_set(key)}
        for parts in sorted(own or changed, key=lambda parts: named[parts]):
            key, (was, now) = named[parts], changed[parts]
            yield f"{'.'.join(key)} {shown.value(was)} -> {shown.value(now)}{self._place(key, now)}"

    def _reads(self, instance: Instance, old: Any, new: Any) -> Iterator[str]:
        """Other stages that it reads, or reads no more: those of a baseline, a quantization or a variant."""
        producers = {field: marker.output.partition(".")[0] for field, marker in _markers(instance)}
        for field in sorted({*old, *new}):
            kind = producers.get(field, field)
            gone, come = (set(a.get(field, [])) - set(b.get(field, [])) for a, b in ((old, new), (new, old)))
            yield from (f"no longer reads {kind}-{label}{self._axis(kind, label)}" for label in sorted(gone))
            yield from (f"also reads {kind}-{label}{self._axis(kind, label)}" for label in sorted(come))

    def _axis(self, kind: str, label: str) -> str:
        """Where it is set which instances of a stage there are."""
        stages = {instance.stage.name: instance.stage.per for instance in self.compiled.plan.instances}
        key = tuple(_AXES.get(stages.get(kind, "baseline"), "task").split("."))
        own = node_at(self.compiled.tree, (*key, label)) or node_at(self.compiled.tree, key)
        return f" ({shown.place(own.span)})" if own else ""

    def _is_set(self, key: Parts) -> bool:
        """Whether somebody writes this value, in the task, a preset or a price list."""
        return bool(node_at(self.compiled.tree, key)) or not derived(key) or key[:2] == _RATES

    def _written(self, key: Parts) -> Parts:
        """As the task spells it: its shorthand for a schema has no `properties`."""
        if key[:2] == _TERMS:
            parts = key[2].split("_", 1) if key[2].startswith(("teacher_", "review_")) else key[2:]
            return ("cost", *parts)
        short = tuple(part for part in key if part != "properties")
        return short if node_at(self.compiled.tree, key) is None and node_at(self.compiled.tree, short) else key

    def _place(self, key: Parts, now: Any) -> str:
        if key[:2] == _RATES and len(key) > 2:
            of = self.compiled.variants[0].lookup(f"costing.rates.{key[2]}.list")
            return f" (conf/prices/{of}.yaml)" if of else ""
        if now is not None and node_at(self.compiled.tree, key) is None and ".".join(key) in keys(Task):
            return " (default)"
        nearest = (node_at(self.compiled.tree, key[:length]) for length in range(len(key), 0, -1))
        node = next(filter(None, nearest), None)
        return f" ({shown.place(node.span)})" if node else ""

    # ------------------------------------------------------------ files

    def _sources(self, instance: Instance, before: Before, status: list[Any]) -> Iterator[str]:
        told = touched(status)
        for path in instance.dependencies():
            if not path.startswith(f"{BUILD}/") and (how := told.get(path)):
                yield self._source(path, how, before)
        gone = sorted(set(before.sources()) - set(instance.dependencies()))
        yield from (f"{path} is no longer read" for path in gone)

    def _source(self, path: str, how: str, before: Before) -> str:
        if how == "deleted":
            return f"{path} is gone"
        now = None if (self.root / path).is_dir() else history.look(self.root / path).rows
        was = before.past.rows.get(before.md5(path) or "")
        if how == "new":
            return f"{path} is new" + (f" ({counted(now, 'row')})" if now is not None else "")
        if was is None or now is None:
            return f"{path} changed"
        return f"{path} changed ({was:,} -> {counted(now, 'row')})"

    # ------------------------------------------------------------ code

    def _code(self, instance: Instance, before: Before) -> list[str]:
        """The modules and libraries of its fingerprint that changed, where the old one is still known."""
        kind = instance.made.kind
        path, now = fingerprint_path(kind), self.code[kind]
        was = before.md5(path)
        if was == history.md5(now.encode()):
            return []
        text = before.past.code.get(was or "") or self._on_disk(path, was)
        return difference(text, now) if text else [f"the code or a library of {kind} changed"]

    def _on_disk(self, path: str, md5: str | None) -> str | None:
        try:
            text = (self.root / path).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None
        return text if history.md5(text.encode()) == md5 else None


# ---------------------------------------------------------------- keys


def full_key(parts: Parts, instance: Instance) -> Parts:
    """A parameter's place -> the key of the task that it comes from: `lora.r` -> `training.lora.r`."""
    origins = instance.stage.origins()
    for length in range(len(parts), 0, -1):
        if key := origins.get(".".join(parts[:length])):
            return (*key.format(**vars(instance.at)).split("."), *parts[length:])
    return parts


def node_at(tree: Node, key: Parts) -> Node | None:
    """The node at a key; a number stands for a place in a list."""
    node: Node | None = tree
    for part in key:
        if node is None:
            return None
        if isinstance(node.value, list):
            node = node.value[int(part)] if part.isdigit() and int(part) < len(node.value) else None
        else:
            node = node.value.get(part) if isinstance(node.value, dict) else None
    return node


def derived(key: Parts) -> bool:
    """Whether a value only follows from others: it is no key of the schema."""
    return not known_key([part for part in key if not part.isdigit()])


def differences(before: Any, after: Any, prefix: Parts = ()) -> dict[Parts, tuple[Any, Any]]:
    """Place -> old and new value, for each leaf that is not the same. Lists of one length are compared one by one."""
    before, after = told_apart(before), told_apart(after)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        pairs = {str(key): (before.get(key), after.get(key)) for key in sorted({*before, *after}, key=str)}
    elif _rows(before) and _rows(after) and len(before) == len(after):
        pairs = {str(place): pair for place, pair in enumerate(zip(before, after, strict=True))}
    else:
        before, after = (list(value) if isinstance(value, tuple) else value for value in (before, after))
        return {} if before == after else {prefix: (before, after)}
    found: dict[Parts, tuple[Any, Any]] = {}
    for key, (was, now) in pairs.items():
        found |= differences(was, now, (*prefix, key))
    return found


def told_apart(value: Any) -> Any:
    """A JSON Schema, which stands in parameters as its text, as the mapping that it is; any other value as it is."""
    try:
        return json.loads(value) if isinstance(value, str) and value.startswith("{") else value
    except ValueError:
        return value


def _rows(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _markers(instance: Instance) -> Iterator[tuple[str, Any]]:
    for field, markers in instance.stage.reads().items():
        yield from ((field, marker) for marker in markers if hasattr(marker, "output"))


# ---------------------------------------------------------------- DVC's words


def touched(status: list[Any]) -> dict[str, str]:
    """Path -> how it changed, of what a stage reads. Of parameters DVC says which, and so do we elsewhere."""
    deps = (entry.get("changed deps", {}) for entry in status if isinstance(entry, dict))
    return {path: how for one in deps for path, how in one.items() if isinstance(how, str)}


def _others(status: list[Any]) -> Iterator[str]:
    """Its command and its outputs."""
    for entry in status:
        if isinstance(entry, str):
            yield "its command changed" if entry == "changed command" else entry
            continue
        for path, how in entry.get("changed outs", {}).items():
            yield f"its output {path} {_OUTPUTS.get(how, how)}"
