"""`tunec explain`: a key of task.yaml with its value and who set it, or the code of an error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any, Protocol

from compiler import settle
from compiler.parse import Node, ParseError, overlay, parse
from compiler.resolve import did_you_mean, layers, pinned_by
from compiler.settle import Chosen
from stages.base import Read, Stage
from stages.catalog import members
from stages.counting import counted
from stages.diagnostics import Diagnostic, Span, UserError, fail
from tunec import described, shown
from tunec.codes import Code, codes
from tunec.described import NOTHING, About
from tunec.workspace import TASK, Disk, read_task

_CODE = re.compile(r"T\d+")
# What a key decides beside the parameters of stages.
_OTHERS = {
    "task_type": "the compiler, which lays conf/task_type/NAME.yaml below the task",
    "data.sources.path": "the compiler, which makes the files that it matches inputs of `data`",
    "data.general_mix.path": "the compiler, which makes the files that it matches inputs of `mix`",
    "data.review.file": "the compiler, which makes it an input of `data` once it is there; `tunec data review`",
    "splits.ratios.train": "the check that the shares sum to 1",
    "baselines": "the compiler, which makes a stage of each",
    "training.base_model": "the compiler, which lays conf/base_model/NAME.yaml below the task and names stages by it",
    "training.method": "the compiler, which lays conf/method/NAME.yaml below the task",
    "training.lora.r": "the compiler, which names variants by it",
    "training.after": "the compiler, which makes a training of it that is done first",
    "quantization.preset": "the compiler, which lays conf/quantization/NAME.yaml below the task",
    "quantization.formats": "the compiler, which makes a file and its predictions of each",
    "cost": "`tunec cost`; the stages `cost` and `gate` by the prices that it names, and `tunec sweep --plan`",
    "execution": "`tunec build` and `tunec run`, which take stages to where they run",
    "versioning": "`tunec release`",
    "sweep": "the compiler, which makes a variant of each combination",
}


class Explained(Protocol):
    def text(self) -> str: ...

    def json(self) -> Any: ...


def explain(root: Path, what: str, overrides: list[str]) -> Explained:
    """Raises T011 for a key that the schema does not have, T413 for a code that is none of ours."""
    if _CODE.fullmatch(what.upper()):
        return code(what.upper())
    return key(root, what, overrides)


# ---------------------------------------------------------------- a code


@dataclass(frozen=True)
class Page:
    """What there is to say of a code."""

    of: Code

    def text(self) -> str:
        return f"{self.of.severity}[{self.of.code}]: {self.of.what}\n\n{self.of.why}"

    def json(self) -> dict[str, str]:
        return asdict(self.of)


def code(name: str) -> Page:
    """Raises T413 for a code that is none of ours."""
    known = codes()
    if name not in known:
        raise fail("T413", f"tunec has no code {name}", help="docs/errors/README.md lists them")
    return Page(known[name])


# ---------------------------------------------------------------- a key


@dataclass(frozen=True)
class Layer:
    """One place that sets a key. span: None for the schema's default."""

    value: Any
    span: Span | None

    def place(self) -> str:
        return shown.place(self.span) if self.span else "the schema's default"

    def json(self) -> dict[str, Any]:
        span = self.span
        return {"value": self.value, "file": span.file if span else None, "line": span.line if span else None}


@dataclass(frozen=True)
class Key:
    """A key: what the schema says, who set it (the last of `layers` won), which stages read it, and what else does.

    stages: stage -> its parameters, or inputs, that come from it. inner: of a section, its keys. note: why the task
    itself could not be looked at. chosen: what its `auto` comes to.
    """

    path: str
    about: About
    meaning: str
    choices: tuple[str, ...]
    layers: tuple[Layer, ...]
    stages: Mapping[str, tuple[str, ...]]
    others: tuple[str, ...]
    inner: tuple[Key, ...] = ()
    swept: Layer | None = None
    note: str | None = None
    chosen: Chosen | None = None

    @property
    def value(self) -> Any:
        if self.chosen:
            return self.chosen.value
        return self.layers[-1].value if self.layers else None

    def text(self) -> str:
        return "\n".join(self._section() if self.about.keys else self._leaf())

    def json(self) -> dict[str, Any]:
        about, won, over = self.about, self.layers[-1:], self.layers[:-1]
        found: dict[str, Any] = {
            "key": self.path,
            "value": self.value,
            "meaning": self.meaning,
            "unit": about.unit,
            "allowed": about.allowed if self.path == about.path else about.inside,
            "choices": list(self.choices),
            "default": None if about.default is NOTHING else about.default,
            "set_by": won[0].json() if won else None,
            "over": [layer.json() for layer in reversed(over)],
            "read_by": {stage: list(names) for stage, names in self.stages.items()},
            "other_readers": list(self.others),
        }
        swept: dict[str, Any] = {"sweep": self.swept.json()} if self.swept else {}
        swept |= {"auto": self.chosen.why} if self.chosen else {}
        note = {"note": self.note} if self.note else {}
        return found | swept | note | ({"keys": [one.json() for one in self.inner]} if self.inner else {})

    def _leaf(self) -> Iterator[str]:
        about = self.about
        auto = f" (auto: {self.chosen.why})" if self.chosen else ""
        yield f"{self.path} = {shown.value(self.value)}{auto}" if self.layers else f"{self.path} is not set"
        yield f"  {self.meaning}"
        yield ""
        unit = f" ({about.unit})" if about.unit else ""
        yield f"  takes    {about.allowed if self.path == about.path else about.inside}{unit}"
        if self.choices:
            yield f"           {', '.join(self.choices)}"
        yield f"  default  {'none' if about.default in (NOTHING, None) else shown.value(about.default)}"
        yield from self._set_by()
        yield from self._read_by()
        if self.note:
            yield f"  note     {self.note}"

    def _set_by(self) -> Iterator[str]:
        if self.swept:
            yield f"  swept    {shown.value(self.swept.value)}, {self.swept.place()}"
        for won in self.layers[-1:]:
            yield f"  set by   {won.place()}"
        for lost in reversed(self.layers[:-1]):
            yield f"  over     {lost.place()}: {shown.value(lost.value)}"

    def _read_by(self) -> Iterator[str]:
        named = [f"{stage} ({', '.join(names)})" for stage, names in self.stages.items()]
        readers = [*(["the stages " + ", ".join(named)] if named else []), *self.others]
        for place, reader in enumerate(readers):
            yield f"  {'       ' if place else 'read by'}  {reader}"

    def _section(self) -> Iterator[str]:
        yield f"{self.path}: {self.meaning}"
        yield ""
        names = {one.path: one.path[len(self.path) + 1 :] for one in self.inner}
        values = {one.path: _brief(one) for one in self.inner}
        first, second = (max(map(len, column.values()), default=0) for column in (names, values))
        for one in self.inner:
            place = one.layers[-1].place() if one.layers and not one.about.keys else ""
            about = f"{one.meaning.split('. ')[0].rstrip('.')}{f'  [{place}]' if place else ''}"
            yield f"  {names[one.path]:<{first}}  {values[one.path]:<{second}}  {about}"
        yield ""
        yield from self._read_by()
        if self.note:
            yield f"  note     {self.note}"


def key(root: Path, path: str, overrides: list[str]) -> Key:
    """A key of the task in `root`; where that cannot be read, what the schema alone says. Raises T011."""
    about = described.about(path)
    disk = Disk(root)
    plain = ".".join(described.parts(path))
    if about is None:
        raise _unknown(path)
    trees, note = _layers(disk, overrides)
    if about.free and plain != about.path and not _is_member(plain, about, trees, disk):
        raise _unknown(path, [f"{about.path}.{name}" for name in described.choices(about.path, disk)])
    auto = settle.choices(settle.Known(reduce(overlay, trees), disk)) if trees else {}
    found = _key(plain, about, trees, disk, auto, note)
    if plain == "training.base_model" and isinstance(found.value, str) and not note:
        return replace(found, note=pinned_by(found.value, disk))
    return found


def _key(
    path: str, about: About, trees: list[Node], disk: Disk, auto: Mapping[str, Chosen], note: str | None = None
) -> Key:
    set_by = [Layer(value, span) for tree in trees for value, span in _at(tree, path.split("."))]
    last = {repr(layer): layer for layer in reversed(set_by)}  # in tunec's own checkout its conf/ counts twice
    found = list(reversed(last.values()))
    default = about.default if path == about.path else NOTHING
    if default not in (NOTHING, None):
        found.insert(0, Layer(default, None))
    swept = [Layer(node.plain(), node.span) for tree in trees for node in _swept(tree, path)]
    return Key(
        path,
        about,
        described.summary(path) or about.meaning,
        tuple(described.choices(path, disk)),
        tuple(found),
        dict(_readers(path)),
        tuple(reader for consumed, reader in _OTHERS.items() if f"{path}.".startswith(f"{consumed}.")),
        tuple(_key(inner.path, inner, trees, disk, auto) for inner in about.keys.values()),
        swept[-1] if swept else None,
        note,
        auto.get(path),
    )


def _brief(key: Key) -> str:
    if key.about.keys:
        return counted(len(key.about.keys), "key")
    text = shown.value(key.value) if key.layers else "-"
    return text if len(text) <= 24 else f"{text[:21]}..."


def _layers(disk: Disk, overrides: list[str]) -> tuple[list[Node], str | None]:
    """What sets keys, lowest first, and why that is not all."""
    try:
        return layers(parse(read_task(disk.root / TASK), TASK), sorted(overrides), disk), None
    except UserError as error:
        return [], f"{error.diagnostics[0].message}: this is what the schema says"
    except ParseError as error:
        if overrides:  # they are what was typed just now
            raise UserError(*error.diagnostics) from None
        return [], f"{TASK} has errors (`tunec check` shows them): this is what the schema says"


def _at(tree: Node, parts: list[str]) -> Iterator[tuple[Any, Span]]:
    """The value that a layer gives a key; of a list of mappings, what each of them gives it."""
    node: Node | None = tree
    for place, part in enumerate(parts):
        if node is None:
            return
        if isinstance(node.value, list):
            inner = [value for one in node.value for value, _ in _at(one, parts[place:])]
            if inner:
                yield inner, node.span
            return
        node = node.value.get(part) if isinstance(node.value, dict) else None
    if node is not None:
        yield node.plain(), (node.key or node.span if isinstance(node.value, dict | list) else node.span)


def _swept(tree: Node, path: str) -> Iterator[Node]:
    sweep = tree.get("sweep")
    if sweep is not None and isinstance(sweep.value, dict) and path in sweep.value:
        yield sweep.value[path]


def _is_member(path: str, about: About, trees: list[Node], disk: Disk) -> bool:
    """Whether a name in a free mapping is one that somebody set, or that the catalog has."""
    known = {f"{about.path}.{name}" for name in described.choices(about.path, disk)}
    return path in known or any(True for tree in trees for _ in _at(tree, path.split(".")))


def _readers(path: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Stage -> the parameters and inputs that come from this key, or from what lies in it or around it."""
    for name, stage in members("stages", "STAGE", Stage).items():
        named = {**stage.origins(), **_files(stage)}
        found = tuple(sorted(parameter for parameter, source in named.items() if _touch(source, path)))
        if found:
            yield name, found


def _files(stage: Stage) -> dict[str, str]:
    reads = stage.reads().items()
    return {field: marker.key for field, markers in reads for marker in markers if not isinstance(marker, Read)}


def _touch(source: str, path: str) -> bool:
    """Whether one is the other or lies in it. `{baseline}` in a source stands for any name."""
    pairs = zip(source.split("."), path.split("."), strict=False)
    return all(ours == theirs or ours.startswith("{") for ours, theirs in pairs)


def _unknown(path: str, members: list[str] | None = None) -> UserError:
    known = [about.path for about in described.every()] + (members or [])
    last = path.rpartition(".")[2]
    same = [one for one in known if one.rpartition(".")[2] == last]
    help = f"did you mean `{same[0]}`?" if same else did_you_mean(path, known) or _by_last(last, known)
    return UserError(Diagnostic("T011", f"unknown key `{path}`", help=help))


def _by_last(word: str, known: list[str]) -> str:
    """A key whose own name is near, wherever it stands."""
    names = {one.rpartition(".")[2]: one for one in reversed(known)}
    near = did_you_mean(word, list(names))
    found = names[near.split("`")[1]] if near else None
    return f"did you mean `{found}`?" if found else "`tunec schema` lists all keys"
