"""Pass 4: the task and the stage catalog -> the graph. Each stage says what it reads and what it is repeated over;
here that becomes named instances with paths and parameters. An instance that several variants share appears once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stages.base import READ, At, Axis, File, Made, Read, Stage
from stages.catalog import Baseline, members

BUILD = "build"
Path = str
Input = Path | list[Path] | dict[str, Path]

_COORDINATES: dict[Axis, tuple[str, ...]] = {
    "task": (),
    "model": ("model",),
    "baseline": ("baseline", "model", "prompt"),
    "first": ("first",),
    "variant": ("variant",),
    "quantization": ("variant", "quantization"),
    "candidate": ("variant", "candidate"),
}
_AXES = tuple(At.__dataclass_fields__)
_PROMPT = "training.prompt"


@dataclass(frozen=True)
class Variant:
    """One resolved task: a base model trained in one way. `values` is the whole tree of resolved keys; `point`, what a
    sweep chose for it; `also`, points that come to the same; `first`, the name of the training that is done before,
    where there is one.
    """

    slug: str
    model: str
    values: Mapping[str, Any]
    point: Mapping[str, Any] = field(default_factory=dict)
    also: tuple[Mapping[str, Any], ...] = ()
    first: str | None = None

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

    @property
    def after(self) -> list[str]:
        """The instances that it reads."""
        return sorted({path.split("/")[1] for path in self.dependencies() if path.startswith(f"{BUILD}/")})

    def dependencies(self) -> list[Path]:
        """Every input path once, sorted."""
        found: set[Path] = set()
        for given in self.inputs.values():
            found |= {given} if isinstance(given, str) else set(given.values() if isinstance(given, dict) else given)
        return sorted(found)


@dataclass(frozen=True)
class Plan:
    """The union graph over all variants, in an order in which every stage stands after what it reads.

    task: the task's name. execution: where stages run, when that is not here; it is no matter of any stage.
    """

    task: str
    instances: tuple[Instance, ...]
    overrides: tuple[str, ...] = ()
    execution: Mapping[str, Any] | None = None

    def __getitem__(self, name: str) -> Instance:
        return next(instance for instance in self.instances if instance.name == name)


def plan(variants: list[Variant], overrides: list[str]) -> Plan:
    """Raises Clash when variants cannot share a stage, and RuntimeError when the catalog itself is broken (an unknown
    output, a cycle): that is our bug.
    """
    catalog = _ordered(members("stages", "STAGE", Stage))
    places = {stage.name: _placed(stage, variants) for stage in catalog}
    made = {stage.name: _Made(stage, places[stage.name]) for stage in catalog}
    built = [
        _instance(stage, at, sharing, made)
        for stage in catalog
        for at, sharing in sorted(places[stage.name].items(), key=lambda item: _name(stage, item[0]))
    ]
    first = variants[0]
    return Plan(str(first.lookup("task_name")), tuple(built), tuple(overrides), first.lookup("execution"))


class Clash(Exception):
    """Two variants would give one instance of a stage different parameters. keys: those that differ."""

    def __init__(self, stage: str, keys: tuple[str, ...]) -> None:
        super().__init__(f"{stage}: {', '.join(keys)}")
        self.stage, self.keys = stage, keys


def _placed(stage: Stage, variants: list[Variant]) -> dict[At, list[Variant]]:
    """Where a stage is needed, and the variants that share it there. Raises Clash where two of them disagree."""
    found: dict[At, list[Variant]] = {}
    for variant in variants:
        if stage.needs and not variant.lookup(stage.needs):
            continue
        for at in _places(stage.per, variant, variants):
            found.setdefault(at, []).append(variant)
    for at, sharing in found.items():
        differing = tuple(key for key in stage.keys(at) if not _agreed(key, sharing)) if len(sharing) > 1 else ()
        if differing:
            raise Clash(stage.name, differing)
    return found


def _agreed(key: str, sharing: list[Variant]) -> bool:
    first = sharing[0].lookup(key)
    return all(variant.lookup(key) == first for variant in sharing[1:])


def _places(per: Axis, variant: Variant, variants: list[Variant]) -> Iterator[At]:
    """The coordinates at which a variant needs an instance of a stage."""
    formats = variant.lookup("quantization.formats")
    match per:
        case "task":
            yield At()
        case "model":
            yield At(model=variant.model)
        case "baseline":
            yield from _baselines(variant, variants)
        case "first":
            yield from [At(model=variant.model, first=variant.first)] if variant.first else []
        case "variant":
            yield At(model=variant.model, variant=variant.slug, first=variant.first)
        case "quantization":
            yield from (At(model=variant.model, variant=variant.slug, quantization=q) for q in formats)
        case "candidate":
            for candidate in ("tuned", "f16", *formats):
                quantization = candidate if candidate in formats else None
                yield At(variant.model, None, variant.slug, quantization, candidate)


def _baselines(variant: Variant, variants: list[Variant]) -> Iterator[At]:
    known = members("stages.baselines", "BASELINE", Baseline)
    several = not _agreed(_PROMPT, variants)
    for name, options in variant.values["baselines"].items():
        if options is not False:
            prompted = several and known[name].needs_model and "prompting.mode" not in known[name].settled
            model = variant.model if known[name].needs_model else None
            yield At(baseline=name, model=model, prompt=variant.lookup(_PROMPT) if prompted else None)


def _instance(stage: Stage, at: At, sharing: list[Variant], made: Mapping[str, _Made]) -> Instance:
    name = _name(stage, at)
    variant = sharing[0]
    inputs: dict[str, Input] = {}
    for input, markers in stage.reads().items():
        for marker in markers:
            if isinstance(marker, File):
                given = variant.lookup(marker.key.format(**vars(at)))
                inputs |= {input: given} if given is not None else {}
            elif marker.when(at) and not _absent(marker, made):
                inputs[input] = _read(marker, stage.many(input), at, made, name)
                break
    outputs = {output: f"{BUILD}/{name}/{write.path}" for output, write in stage.writes().items()}
    # DVC sees a dependency that is new or changed, but none that is gone: so which instances are read is a parameter.
    labels = {input: list(given) for input, given in inputs.items() if isinstance(given, dict)}
    params = stage.bind(_of_all(sharing), at) | ({READ: labels} if labels else {})
    return Instance(name, stage, at, inputs, params, outputs)


def _of_all(sharing: list[Variant]) -> Callable[[str], Any]:
    """Looks a key up for variants that share an instance: their value, or that of each by its name."""

    def lookup(key: str) -> Any:
        if len(sharing) == 1 or _agreed(key, sharing):
            return sharing[0].lookup(key)
        return {variant.slug: variant.lookup(key) for variant in sharing}

    return lookup


class _Made:
    """The instances of a stage by their place, so that who reads one of many need not look at all of them."""

    def __init__(self, stage: Stage, places: Iterable[At]) -> None:
        self.stage = stage
        self.places = list(places)
        self._by_variant: dict[str | None, list[At]] = {}
        for at in self.places:
            self._by_variant.setdefault(at.variant, []).append(at)

    def agreeing(self, at: At) -> list[At]:
        """Those that are the same place as `at` on every axis that both have."""
        if at.variant is None:
            return [place for place in self.places if _agree(place, at)]
        near = [*self._by_variant.get(at.variant, ()), *self._by_variant.get(None, ())]
        return [place for place in near if _agree(place, at)]


def _read(read: Read, many: bool, at: At, made: Mapping[str, _Made], reader: str) -> Input:
    producer_name, _, output = read.output.partition(".")
    of = made.get(producer_name)
    if of is None or output not in of.stage.writes():
        raise RuntimeError(f"{reader} reads {read.output}, which no stage writes")
    producer, path = of.stage, of.stage.writes()[output].path
    found = {_label(producer, place): f"{BUILD}/{_name(producer, place)}/{path}" for place in of.agreeing(at)}
    if many:
        return dict(sorted(found.items()))
    if len(found) != 1:
        raise RuntimeError(f"{reader} reads one {read.output}, and there are {len(found)}")
    return next(iter(found.values()))


def _absent(read: Read, made: Mapping[str, _Made]) -> bool:
    """Whether it reads a stage that this task does not have."""
    producer = made.get(read.output.partition(".")[0])
    return producer is not None and producer.stage.needs is not None and not producer.places


def _agree(a: At, b: At) -> bool:
    """Whether two places are the same on every axis that both have."""
    pairs = ((getattr(a, axis), getattr(b, axis)) for axis in _AXES)
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
