"""What a stage is, before any stage does anything.

The compiler reads the whole catalog through this module, so it needs the standard library and pydantic only.
A stage is one module of this folder with typed `Inputs`, `Params` and `Outputs`, a function `run`, and one constant:

    STAGE = Stage(name="splits", summary="...", run=run, inputs=Inputs, params=Params, outputs=Outputs)

Every field says where its value comes from:

    @dataclass(frozen=True)
    class Inputs:
        rows: Annotated[Path, Read("data.accepted")]       # the output `accepted` of the stage `data`

    class Params(BaseModel):
        seed: Annotated[int, Key("splits.seed")]           # a key of task.yaml, resolved

    @dataclass(frozen=True)
    class Outputs:
        train: Annotated[Path, Write("train.jsonl")]       # build/STAGE/train.jsonl
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict

Axis = Literal["task", "model", "baseline", "first", "variant", "quantization", "candidate"]
READ = "reads"  # the key in a section of params.yaml that names the instances a stage reads; no parameter of its own


# ---------------------------------------------------------------- where a field's value comes from


@dataclass(frozen=True)
class At:
    """Which instance of a stage this is: its place on each axis that the stage is repeated over. first: a training
    that another one goes on from."""

    model: str | None = None
    baseline: str | None = None
    variant: str | None = None
    quantization: str | None = None
    candidate: str | None = None
    prompt: str | None = None  # of a baseline that gets the trained model's prompt, where a sweep varies that
    first: str | None = None


def always(at: At) -> bool:
    return True


@dataclass(frozen=True)
class Read:
    """An input: `output` is "STAGE.FIELD". A field of type dict[str, Path] takes every instance, by name.

    `when` says for which instances this is read; the first Read of a field that applies, and whose stage the task has,
    is taken, and none gives None.
    """

    output: str
    when: Callable[[At], bool] = always


@dataclass(frozen=True)
class File:
    """An input that the user brings: the workspace path (or list of paths) at this key of the task, if it is set.

    A coordinate in braces stands for the instance's own, as in a Key.
    """

    key: str


@dataclass(frozen=True)
class Write:
    """An output: `path` below build/STAGE/. Metrics and plots are shown by DVC's own commands."""

    path: str
    kind: Literal["file", "folder", "metrics", "plot"] = "file"
    x: str | None = None
    y: str | None = None


@dataclass(frozen=True)
class Key:
    """A parameter that comes from this key of the resolved task, such as "training.lora.r".

    A coordinate in braces stands for the instance's own: "baselines.{baseline}".

    varies: variants of a sweep that share the instance may differ in it; then it is a mapping from variant to value.
    swept: it is there only where the task sweeps. rare: left out where it is None, so that a task that does not speak
    of it compiles to what it did before.
    """

    path: str
    varies: bool = False
    swept: bool = False
    rare: bool = False


@dataclass(frozen=True)
class Coordinate:
    """A parameter that is the instance's own place on this axis, such as the quantization."""

    axis: Axis


class Params(BaseModel):
    """Base of every stage's parameters: frozen, and nothing unknown gets in."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)  # built where it is filled


@dataclass(frozen=True)
class Made:
    """What an instance of a stage is made of. Instances of one `kind` share a fingerprint.

    libraries: the distributions it computes with. Their versions are part of the fingerprint, and so is every module of
    `stages` that the stage's own module reaches by its imports; never: less these (by the beginning of their names),
    which it reaches but does not run; members: of the folders that it scans, less all but these. None: it may run them
    all.
    """

    kind: str
    libraries: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    members: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Stage:
    """One kind of node in the graph.

    per: the axis that it is repeated over; "task" means once.
    needs: the key of the task without which there is no such stage; who reads it reads what its next marker names.
    libraries: the distributions it computes with; made: what an instance with these parameters is made of, where that
    differs from one to another.
    settled: parameters, by dotted names, that are no matter of the task for an instance: it has these instead.
    """

    name: str
    summary: str
    run: Callable[..., None]
    inputs: type
    params: type[Params]
    outputs: type
    per: Axis = "task"
    needs: str | None = None
    libraries: tuple[str, ...] = ()
    made: Callable[[At, Mapping[str, Any]], Made] | None = None
    settled: Callable[[At], Mapping[str, Any]] = lambda at: {}

    def made_of(self, at: At, params: Mapping[str, Any]) -> Made:
        return self.made(at, params) if self.made else Made(self.name, self.libraries)

    def reads(self) -> Mapping[str, tuple[Read | File, ...]]:
        return {name: _markers(hint, (Read, File)) for name, hint in _hints(self.inputs).items()}

    def many(self, name: str) -> bool:
        """Whether this input takes all instances of what it reads, as a dict from instance name to path."""
        hint = _hints(self.inputs)[name]
        bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        return get_origin(bare) in (dict, Mapping)

    def writes(self) -> Mapping[str, Write]:
        return {name: _markers(hint, (Write,))[0] for name, hint in _hints(self.outputs).items()}

    def bind(self, lookup: Callable[[str], Any], at: At) -> dict[str, Any]:
        """The parameters of the instance `at`, each from the key that its field names, or settled."""
        bound = _bind(self.params, lookup, at)
        for path, value in self.settled(at).items():
            group, _, name = path.rpartition(".")
            (bound[group] if group else bound)[name] = value
        return bound

    def keys(self, at: At) -> list[str]:
        """The keys of the task that the instance `at` reads, as parameters or as files; all of the variants that share
        it must agree on them.
        """
        files = [m.key.format(**vars(at)) for group in self.reads().values() for m in group if isinstance(m, File)]
        settled, varying = self.settled(at), _varying(self.params)
        return files + [
            path.format(**vars(at))
            for name, path in _origins(self.params).items()
            if name not in varying and name not in settled and name.split(".")[0] not in settled
        ]

    def origins(self) -> Mapping[str, str]:
        """Parameter -> the key that it comes from, groups included: `lora.r` -> `training.lora.r`."""
        return _origins(self.params)


M = TypeVar("M")


def _bind(params: type[Params], lookup: Callable[[str], Any], at: At) -> dict[str, Any]:
    """A field that is itself Params and has no marker is a group: its own fields say where they come from."""
    bound: dict[str, Any] = {}
    for name, hint in _hints(params).items():
        if group := _group(hint):
            bound[name] = _bind(group, lookup, at)
            continue
        marker = _markers(hint, (Key, Coordinate))[0]
        place = vars(at)
        if isinstance(marker, Key):
            value = lookup(marker.path.format(**place))
            left_out = (marker.swept and lookup("swept") is None) or (marker.rare and value is None)
            bound |= {} if left_out else {name: value}
        elif isinstance(marker, Coordinate):
            bound[name] = place[marker.axis]
    return bound


def _group(hint: Any) -> type[Params] | None:
    """The Params of a field such as `prompting: Prompting` or `prompting: Prompting | None`."""
    kinds = (hint, *(get_args(hint) if isinstance(hint, UnionType) else ()))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Params)), None)


@cache
def _origins(params: type[Params]) -> Mapping[str, str]:
    """Parameter -> the path of its Key, in a class of parameters and in the groups inside it."""
    found: dict[str, str] = {}
    for name, hint in _hints(params).items():
        if group := _group(hint):
            found |= {f"{name}.{inner}": path for inner, path in _origins(group).items()}
        elif isinstance(marker := _markers(hint, (Key, Coordinate))[0], Key):
            found[name] = marker.path
    return found


@cache
def _varying(params: type[Params]) -> frozenset[str]:
    """The parameters that variants which share an instance may differ in, those of groups included."""
    found: set[str] = set()
    for name, hint in _hints(params).items():
        if group := _group(hint):
            found |= {f"{name}.{inner}" for inner in _varying(group)}
        elif isinstance(marker := _markers(hint, (Key, Coordinate))[0], Key) and marker.varies:
            found.add(name)
    return frozenset(found)


@cache
def _hints(of: type) -> dict[str, Any]:
    hints = get_type_hints(of, include_extras=True)
    names = of.model_fields if issubclass(of, BaseModel) else [f.name for f in fields(of)]  # type: ignore[arg-type]
    return {name: hints[name] for name in names}


def _markers(hint: Any, kinds: tuple[type[M], ...]) -> tuple[M, ...]:
    found = tuple(m for m in get_args(hint)[1:] if isinstance(m, kinds)) if get_origin(hint) is Annotated else ()
    if not found:
        raise TypeError(f"{hint} says nothing of where its value comes from; annotate it with one of {kinds}")
    return found
