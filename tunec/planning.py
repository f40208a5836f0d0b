"""What a build will run, what DVC will restore, and why. DVC says what is stale; here its answer becomes causes that a
person can follow, and what it will find in its run cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compiler import Compiled
from compiler.emit import command, fingerprint_path
from compiler.plan import BUILD, Instance
from stages import history
from tunec import dvc, dvc_lock
from tunec.changes import Before, Changes, touched
from tunec.dvc_cache import Asked, Cache, Hash, hash_now, outputs
from tunec.guard import fingerprints
from tunec.steps import State, Step


def steps(root: Path, compiled: Compiled, answer: Callable[[], dvc.Status]) -> list[Step]:
    """Every stage in the order of the graph. answer: waits for DVC, so it is called when all else is done.

    What a stage reads of one that runs cannot be known before. So it is listed as one that runs, with `after ...` as
    its reason; DVC will leave it alone should its inputs come out as they were.
    """
    code, locked = fingerprints(compiled), dvc_lock.stages(root)
    past = {instance.name: history.recall(root, instance.name) for instance in compiled.plan.instances}
    return _Look(root, compiled, code, locked, past, answer()).steps()


@dataclass
class _Look:
    """Walks the graph from its sources. hashes: of every output as it will be, None where nobody knows. before: the
    stages that are not cached and come before one, however far.
    """

    root: Path
    compiled: Compiled
    code: Mapping[str, str]
    locked: Mapping[str, Any]
    past: Mapping[str, history.Past]
    status: dvc.Status
    hashes: dict[str, Hash | None] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    before: dict[str, set[str]] = field(default_factory=dict)

    def steps(self) -> list[Step]:
        return [self._step(instance) for instance in self.compiled.plan.instances]

    def _step(self, instance: Instance) -> Step:
        past = self.past[instance.name]
        before = Before(self.locked.get(instance.name, {}), past)
        own = self._own(instance, before)
        changed = self._changed_inputs(instance, before)
        outs = outputs(before.entry) if not own and not changed else None
        state: State = "cached" if outs is not None else "run"
        if outs is None and (outs := self._restored(instance, before)) is not None:
            state = "restored"
        self.states[instance.name] = state
        self.hashes |= {path: (outs or {}).get(path) for path in instance.outputs.values()}
        after = self._after(changed) if state != "cached" else ()
        reasons = [*own, *_inputs([path for path in changed if _producer(path) not in after], before, own)]
        return Step(instance.name, state, past, tuple(reasons), after, self._latest(instance.name, after))

    def _after(self, changed: list[str]) -> tuple[str, ...]:
        producers = {_producer(path) for path in changed}
        return tuple(sorted(name for name in producers if self.states[name] != "cached"))

    def _latest(self, name: str, after: tuple[str, ...]) -> tuple[str, ...]:
        """Those that no other of them comes after, however far before."""
        before = set[str]().union(*(self.before[one] for one in after))
        self.before[name] = before | set(after)
        return tuple(one for one in after if one not in before)

    def _own(self, instance: Instance, before: Before) -> list[str]:
        if not before.entry:
            return ["never built"]
        changes = Changes(self.root, self.compiled, self.code)
        return changes.of(instance, before, self.status.changed.get(instance.name, []))

    def _changed_inputs(self, instance: Instance, before: Before) -> list[str]:
        """What it reads of other stages that is not, or may not be, what it last read."""
        reads = [path for path in instance.dependencies() if _producer(path)] if before.entry else []
        return [path for path in reads if (md5 := _md5(self.hashes.get(path))) is None or md5 != before.md5(path)]

    # ------------------------------------------------------------ the run cache

    def _restored(self, instance: Instance, before: Before) -> dict[str, Hash] | None:
        """The outputs that DVC will take out of its cache instead of running it."""
        deps = {path: self._hash(path, instance, before) for path in instance.dependencies()}
        known = {path: found for path, found in deps.items() if found is not None}
        cache, kind = Cache(self.status.cache), instance.made.kind
        if len(known) < len(deps) or not cache.has_runs:
            return None
        known[fingerprint_path(kind)] = {"hash": "md5", "md5": history.md5(self.code[kind].encode())}
        asked = Asked(command(instance), known, _params(instance), list(instance.outputs.values()))
        if not _asked_last(asked, before):
            return cache.run(asked)
        outs = outputs(before.entry)
        return outs if cache.holds(outs.values()) else None

    def _hash(self, path: str, instance: Instance, before: Before) -> Hash | None:
        """Of what a stage will read. DVC looked at the user's files: those that it does not name are as they were."""
        if _producer(path):
            return self.hashes.get(path)
        if path not in touched(self.status.changed.get(instance.name, [])) and (was := before.hash(path)):
            return was
        return hash_now(self.root / path)


def _inputs(changed: list[str], before: Before, own: list[str]) -> Iterator[str]:
    """Of inputs whose stages do not run: after a build that was stopped, or of a graph that was not the same."""
    told = any(reason.startswith("also reads") for reason in own)
    for path in changed:
        if before.hash(path):
            yield f"{path} changed"
        elif not told:
            yield f"also reads {path}"


def _asked_last(asked: Asked, before: Before) -> bool:
    """Whether this is what was asked when it last ran: then only its outputs were missing or changed."""
    return (
        before.entry.get("cmd") == asked.cmd
        and all(before.md5(path) == _md5(found) for path, found in asked.deps.items())
        and before.entry.get("params", {}).get("params.yaml", {}) == asked.params
        and set(outputs(before.entry)) >= set(asked.outs)
    )


def _md5(found: Hash | None) -> Any:
    return found["md5"] if found else None


def _params(instance: Instance) -> dict[str, Any]:
    """Its section of params.yaml, as it is read there."""
    return {instance.name: _plain(instance.params)} if instance.params else {}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _producer(path: str) -> str:
    """The instance that writes a path below build/; an empty word for a path of the user."""
    parts = path.split("/")
    return parts[1] if parts[0] == BUILD and len(parts) > 2 else ""
