"""Pass 4: the task and the stage catalog -> the graph. Each stage says what it reads and what it is repeated over;
here that becomes named instances with paths and parameters. An instance that several variants share appears once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stages.base import READ, At, Axis, Baseline, File, Made, Read, Stage, members

BUILD = "build"
Path = str
Input = Path | list[Path] | dict[str, Path]

_COORDINATES: dict[Axis, tuple[str, ...]] = {
    "task": (),
    "model": ("model",),
    "baseline": ("baseline", "model"),
    "variant": ("variant",),
    "quantization": ("variant", "quantization"),
    "candidate": ("variant", "candidate"),
}


@dataclass(frozen=True)
class Variant:
    """One resolved task: a base model trained in one way. `values` is the whole tree of resolved keys."""

    slug: str
    model: str
    values: Mapping[str, Any]

    def lookup(self, path: str) -> Any:
        """The value of a dotted key; None where an optional section or key is absent."""
        value: Any = self.values
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value


@dataclass(frozen=True)
class Instance:
    """A node of the graph, ready to be written down: everything is a name, a relative path or plain data."""

    name: str
    stage: Stage
    at: At
    inputs: Mapping[str, Input]
    params: Mapping[str, Any]
    outputs: Mapping[str, Path]

    @property
    def made(self) -> Made:
        """What its fingerprint is of."""
        return self.stage.made_of(self.at, self.params)

    def dependencies(self) -> list[Path]:
        """Every input path once, sorted."""
        found: set[Path] = set()
        for given in self.inputs.values():
            found |= {given} if isinstance(given, str) else set(given.values() if isinstance(given, dict) else given)
        return sorted(found)


@dataclass(frozen=True)
class Plan:
    """The union graph over all variants, in an order in which every stage stands after what it reads.

    task: the task's name.
    """

    task: str
    instances: tuple[Instance, ...]
    overrides: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Instance:
        return next(instance for instance in self.instances if instance.name == name)


def plan(variants: list[Variant], overrides: list[str]) -> Plan:
    """Raises Clash when variants cannot share a stage, and RuntimeError when the catalog itself is broken (an unknown
    output, a cycle): that is our bug.
    """
    catalog = _ordered(members("stages", "STAGE", Stage))
    places = {stage.name: _placed(stage, variants) for stage in catalog}
    built = [
        _instance(stage, at, variant, catalog, places)
        for stage in catalog
        for at, variant in sorted(places[stage.name].items(), key=lambda item: _name(stage, item[0]))
    ]
    return Plan(str(variants[0].lookup("task_name")), tuple(built), tuple(overrides))


class Clash(Exception):
    """Two variants would give one instance of a stage different parameters. keys: those that differ."""

    def __init__(self, stage: str, keys: tuple[str, ...]) -> None:
        super().__init__(f"{stage}: {', '.join(keys)}")
        self.stage, self.keys = stage, keys


def _placed(stage: Stage, variants: list[Variant]) -> dict[At, Variant]:
    """Where a stage is needed, and a variant that says how. Raises Clash where two variants disagree."""
    found: dict[At, Variant] = {}
    for variant in variants:
        for at in _places(stage.per, variant):
            first = found.setdefault(at, variant)
            differing = tuple(key for key in stage.keys(at) if first.lookup(key) != variant.lookup(key))
            if differing and first is not variant:
                raise Clash(stage.name, differing)
    return found


def _places(per: Axis, variant: Variant) -> Iterator[At]:
    """The coordinates at which a variant needs an instance of a stage."""
    formats = variant.lookup("quantization.formats")
    match per:
        case "task":
            yield At()
        case "model":
            yield At(model=variant.model)
        case "baseline":
            known = members("stages.baselines", "BASELINE", Baseline)
            for name, options in variant.values["baselines"].items():
                if options is not False:
                    yield At(baseline=name, model=variant.model if known[name].needs_model else None)
        case "variant":
            yield At(model=variant.model, variant=variant.slug)
        case "quantization":
            yield from (At(model=variant.model, variant=variant.slug, quantization=q) for q in formats)
        case "candidate":
            for candidate in ("tuned", "f16", *formats):
                quantization = candidate if candidate in formats else None
                yield At(variant.model, None, variant.slug, quantization, candidate)


def _instance(
    stage: Stage, at: At, variant: Variant, catalog: list[Stage], places: Mapping[str, Mapping[At, Variant]]
) -> Instance:
    name = _name(stage, at)
    by_name = {s.name: s for s in catalog}
    inputs: dict[str, Input] = {}
    for field, markers in stage.reads().items():
        for marker in markers:
            if isinstance(marker, File):
                given = variant.lookup(marker.key.format(**vars(at)))
                inputs |= {field: given} if given is not None else {}
            elif marker.when(at):
                inputs[field] = _read(marker, stage.many(field), at, by_name, places, name)
                break
    outputs = {field: f"{BUILD}/{name}/{write.path}" for field, write in stage.writes().items()}
    # DVC sees a dependency that is new or changed, but none that is gone: so which instances are read is a parameter.
    labels = {field: list(given) for field, given in inputs.items() if isinstance(given, dict)}
    params = stage.bind(variant.lookup, at) | ({READ: labels} if labels else {})
    return Instance(name, stage, at, inputs, params, outputs)


def _read(
    read: Read,
    many: bool,
    at: At,
    catalog: Mapping[str, Stage],
    places: Mapping[str, Mapping[At, Variant]],
    reader: str,
) -> Input:
    producer_name, _, output = read.output.partition(".")
    producer = catalog.get(producer_name)
    if producer is None or output not in producer.writes():
        raise RuntimeError(f"{reader} reads {read.output}, which no stage writes")
    path = producer.writes()[output].path
    agreeing = [place for place in places[producer_name] if _agree(place, at)]
    found = {_label(producer, place): f"{BUILD}/{_name(producer, place)}/{path}" for place in agreeing}
    if many:
        return dict(sorted(found.items()))
    if len(found) != 1:
        raise RuntimeError(f"{reader} reads one {read.output}, and there are {len(found)}")
    return next(iter(found.values()))


def _agree(a: At, b: At) -> bool:
    """Whether two places are the same on every axis that both have."""
    pairs = ((getattr(a, axis), getattr(b, axis)) for axis in At.__dataclass_fields__)
    return all(left == right for left, right in pairs if left is not None and right is not None)


def _name(stage: Stage, at: At) -> str:
    return "-".join(filter(None, [stage.name, _label(stage, at)]))


def _label(stage: Stage, at: At) -> str:
    return "-".join(value for axis in _COORDINATES[stage.per] if (value := getattr(at, axis)))


def _ordered(catalog: Mapping[str, Stage]) -> list[Stage]:
    """Stages so that each stands after those that it reads; alphabetical where that leaves a choice."""
    ordered: list[Stage] = []
    waiting = dict(catalog)
    while waiting:
        done = {stage.name for stage in ordered}
        ready = [stage for stage in waiting.values() if _producers(stage) <= done]
        if not ready:
            raise RuntimeError(
                f"these stages read one another in a circle, or read what is not there: {sorted(waiting)}"
            )
        first = min(ready, key=lambda stage: stage.name)
        ordered.append(waiting.pop(first.name))
    return ordered


def _producers(stage: Stage) -> set[str]:
    markers = (marker for group in stage.reads().values() for marker in group)
    return {marker.output.partition(".")[0] for marker in markers if isinstance(marker, Read)}
