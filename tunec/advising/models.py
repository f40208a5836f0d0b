"""Base models for a task: two or three of conf/base_model/, the likeliest first, each with its reasons."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from compiler.licences import KNOWN
from compiler.parse import ParseError, parse
from tunec.advising.hardware import Machine, training_memory
from tunec.advising.lengths import Lengths
from tunec.workspace import Disk

BEST = 3  # candidates that are named
_TABLE = Path(__file__).parent / "tables" / "models.yaml"
_ENGLISH = "en"
_PUBLIC = "huggingface"


@dataclass(frozen=True)
class Needs:
    """free: the contract is a text. batch: rows of a step; shared: what they begin with alike is run once. network:
    whether a model can be fetched. target: where what comes of it goes, as versioning.deploy_target. held: preset ->
    bytes that its training held here, when it ran or was tried.
    """

    task_type: str
    language: str | None
    lengths: Lengths
    free: bool
    machine: Machine
    batch: int = 8
    shared: bool = True
    adapter: str = "lora"
    network: bool = True
    target: str = "local"
    held: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """A preset for the task. drawbacks: what speaks against it, worst first; why: what speaks for it.

    Both hold (word, values), which a words file puts into a sentence. memory: bytes that its training needs, about.
    """

    preset: str
    parameters: int
    license: str | None
    context: int | None
    memory: int
    adapter: str
    drawbacks: tuple[tuple[str, Mapping[str, Any]], ...]
    why: tuple[tuple[str, Mapping[str, Any]], ...]
    rank: tuple[float, ...] = field(default=(), compare=False)


@cache
def table() -> dict[str, Any]:
    from stages.rows import read_yaml

    return dict(read_yaml(_TABLE))


def candidates(root: Path, needs: Needs) -> list[Candidate]:
    """At most BEST presets of this workspace, of different models, best first. Never empty while a preset is there."""
    found = [one for name, model in _presets(root) if (one := _look(name, model, needs))]
    kept: dict[int, Candidate] = {}
    for one in sorted(found, key=lambda one: (one.rank, one.preset)):
        kept.setdefault(one.parameters, one)  # one model under two names, or by way of the Hub, is one candidate
    return list(kept.values())[:BEST]


def _presets(root: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    layers = Disk(root).presets("base_model")
    for name in sorted({name for layer in layers for name in layer}):
        preset = next(layer[name] for layer in reversed(layers) if name in layer)
        try:
            model = (parse(preset.text, preset.file).get("base_model") or parse("{}", "")).plain()
        except ParseError:
            continue
        if isinstance(model, dict) and isinstance(model.get("parameters"), int):
            yield name, model


def _family(name: str) -> Mapping[str, Any]:
    families: dict[str, Mapping[str, Any]] = table()["families"]
    return next((facts for family, facts in families.items() if name.startswith(family)), {})


class _Sizes(NamedTuple):
    """weights: the model's. low, high: those that are usual for the task type. memory: bytes that training takes."""

    weights: int
    low: int
    high: int
    memory: int


def _look(name: str, model: Mapping[str, Any], needs: Needs) -> Candidate:
    family, size = _family(name), int(model["parameters"])
    low, high = (round(1e9 * edge) for edge in table()["sizes"]["task_types"].get(needs.task_type, (1, 7)))
    adapter, memory = (needs.adapter, needs.held[name]) if name in needs.held else _adapter(size, needs)
    sizes = _Sizes(size, low, high, memory)
    against = dict(_against(model, family, needs, sizes))
    why = tuple(_for(name, model, family, needs, sizes))
    distance = abs(size - low) if size < low else size - low
    preferred = bool({needs.language} & set(family.get("strong", ())))
    rank = (_weight(against, needs.target), -preferred if needs.language != _ENGLISH else 0, distance)
    return Candidate(
        name,
        size,
        model.get("license"),
        model.get("context_length"),
        memory,
        adapter,
        tuple(against.items()),
        why,
        rank,
    )


# What stands in the way most. A model that is too small for its kind of task may do; one that does not fit cannot.
_WEIGHTS = {
    "offline": 200,
    "memory": 100,
    "context": 100,
    "thinks": 60,
    "language": 50,
    "slow": 40,
    "too_large": 12,
    "gated": 5,
}
_WEIGHTS |= {"too_small": 4, "licence": 3, "fetched": 1}


# What is published carries its base model's terms to everybody who takes it.
_PUBLISHED = {"gated": 30, "licence": 30}


def _weight(against: Mapping[str, Any], target: str) -> float:
    weights = _WEIGHTS | (_PUBLISHED if target == _PUBLIC else {})
    return sum(weights[name] for name in against)


def _adapter(size: int, needs: Needs) -> tuple[str, int]:
    """The adapter that fits, and the bytes that it takes: a base in four bits where sixteen do not fit."""
    plain = _memory(size, needs.adapter, needs)
    if plain <= needs.machine.memory or not needs.machine.gpu or needs.adapter != "lora":
        return needs.adapter, plain
    return "qlora", _memory(size, "qlora", needs)


def _memory(size: int, adapter: str, needs: Needs) -> int:
    return training_memory(size, needs.lengths, adapter, needs.machine, needs.batch, shared=needs.shared)


def _against(
    model: Mapping[str, Any], family: Mapping[str, Any], needs: Needs, sizes: _Sizes
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    size, low, high, memory = sizes
    away = model.get("source") == "hub" and not _fetched(model)
    if away and not needs.network:
        yield "offline", {}
    if memory > needs.machine.memory:
        yield "memory", {"need": _gb(memory), "have": _gb(needs.machine.memory)}
    if not needs.machine.gpu and size > 0.7e9:
        yield "slow", {"size": _billions(size)}
    if (context := model.get("context_length")) and context < needs.lengths.longest:
        yield "context", {"context": context, "tokens": needs.lengths.longest}
    languages = family.get("languages", ["*"])
    if needs.language and "*" not in languages and not _speaks(needs.language, languages):
        yield "language", {"language": needs.language}
    if (model.get("chat") or {}).get("thinking") == "always" and not (needs.free and needs.task_type == "planning"):
        yield "thinks", {}
    if size > high:
        yield "too_large", {"size": _billions(size), "most": _billions(high)}
    if size < 0.8 * low:
        yield "too_small", {"size": _billions(size), "least": _billions(low)}
    if family.get("gated"):
        yield "gated", {}
    if (licence := model.get("license")) not in KNOWN or licence not in ("apache-2.0", "mit"):
        yield "licence", {"licence": str(licence)}
    if away and needs.network:
        yield "fetched", {}


def _fetched(model: Mapping[str, Any]) -> bool:
    """Whether the Hub's cache has this commit of the model."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    folder = f"models--{str(model.get('repo')).replace('/', '--')}"
    return (cache / folder / "snapshots" / str(model.get("revision")) / "config.json").exists()


def _speaks(language: str, languages: list[str]) -> bool:
    return language in languages or (not language.startswith("zh") and language.partition("-")[0] in languages)


def _for(
    name: str, model: Mapping[str, Any], family: Mapping[str, Any], needs: Needs, sizes: _Sizes
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    size, low, high, memory = sizes
    if 0.8 * low <= size <= high:
        yield "fits_task", {"size": _billions(size), "least": _billions(low), "most": _billions(high)}
    if needs.language in family.get("strong", ()):
        yield "strong_language", {"language": needs.language}
    elif needs.language and needs.language != _ENGLISH and "*" in family.get("languages", ()):
        yield "speaks", {"language": needs.language}
    if memory <= needs.machine.memory:
        yield (
            "held_memory" if name in needs.held else "fits_memory",
            {"need": _gb(memory), "have": _gb(needs.machine.memory)},
        )
    if model.get("license") in ("apache-2.0", "mit"):
        yield "publishable" if needs.target == _PUBLIC else "free_licence", {"licence": model["license"]}
    if model.get("source") != "hub" or _fetched(model):
        yield "is_here", {}


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def _billions(size: int) -> str:
    return f"{size / 1e9:.2g}B"
