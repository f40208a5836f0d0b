"""Pass 2b: numbers in the place of every `auto`, from the rows, the model and the method. Written nowhere, explained by
`tunec explain KEY`.

The rows are counted by looking into the data files, never by what the last build found there: the same files and the
same task.yaml are the same graph, before the first build and after it. The tables are steps, so that a few rows more
seldom change anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, NamedTuple

from compiler.parse import Node, set_in
from compiler.resolve import leaf
from compiler.workspace import Workspace

AUTO = "auto"
UNKNOWN = 3_000  # rows of a task whose files cannot be looked into
_NARROW = ("classification", "policy")
_SMALL, _LARGE = 400_000_000, 6_000_000_000
# Epochs of answers by rows: the seeds' 1 to 5. Preferences and own answers overfit within one.
_EPOCHS = ((200, 5.0), (1_000, 4.0), (5_000, 3.0), (20_000, 2.0))
# Peak rates of low-rank adapters: sft's as in "LoRA without Regret" (2025), the others' as their presets say.
_RATES = {"sft": 2e-4, "cpt": 1e-4, "dpo": 5e-5, "orpo": 8e-5, "kto": 5e-5, "grpo": 1e-5}


class Chosen(NamedTuple):
    """What stands for an `auto`, and why."""

    value: float
    why: str


@dataclass(frozen=True)
class Known:
    """What a choice is made from. Nothing here is validated yet: a value of the wrong kind counts as none."""

    tree: Node
    workspace: Workspace

    def value(self, path: str, kind: type | tuple[type, ...], default: Any) -> Any:
        node = self.tree.get(path)
        return node.value if node is not None and isinstance(node.value, kind) else default

    @cached_property
    def counted(self) -> int | None:
        """Rows of all sources that are trained on, about; None where a file cannot be looked into or none has a row."""
        sources = self.value("data.sources", list, [])
        seen = [self._rows(source) for source in sources]
        return None if not seen or None in seen else sum(filter(None, seen)) or None

    @property
    def rows(self) -> int:
        return UNKNOWN if self.counted is None else self.counted

    @property
    def rows_said(self) -> str:
        return "rows that cannot be counted here" if self.counted is None else f"about {self.counted:,} rows"

    def _rows(self, source: Node) -> int | None:
        path, form, role = (_text(source.get(name)) for name in ("path", "format", "role"))
        if role not in (None, "train"):
            return 0
        files = self.workspace.glob(path) if path else []
        seen = [self.workspace.peek(file, form or AUTO) for file in files]
        return sum(one.rows for one in seen if one) if seen and all(seen) else None


def settled(tree: Node, workspace: Workspace) -> Node:
    """The tree with a number for every `auto` that can be one; any other `auto` is left for validation to refuse."""
    known = Known(tree, workspace)
    places = [leaf(path, _node(tree, path, chosen.value)) for path, chosen in choices(known).items()]
    return reduce(set_in, places, tree)


def choices(known: Known) -> dict[str, Chosen]:
    """Every key that is `auto`, with what it comes to."""
    found: dict[str, Chosen] = {}
    for path, choose in _CHOICES.items():
        node = known.tree.get(path)
        if node is not None and node.value == AUTO:
            found[path] = choose(known)
    return found


def _node(tree: Node, path: str, value: float) -> Node:
    node = tree.get(path) or tree
    return Node(value, node.span, node.key)


def _text(node: Node | None) -> str | None:
    return node.value if node is not None and isinstance(node.value, str) else None


def _epochs(section: str) -> Callable[[Known], Chosen]:
    def choose(known: Known) -> Chosen:
        method = known.value(f"{section}.method", str, "sft")
        if method != "sft":
            return Chosen(1.0, f"{method} overfits within more than one")
        return Chosen(next((many for rows, many in _EPOCHS if known.rows < rows), 1.0), known.rows_said)

    return choose


def _rate(section: str) -> Callable[[Known], Chosen]:
    def choose(known: Known) -> Chosen:
        method = known.value(f"{section}.method", str, "sft")
        size = known.value("base_model.parameters", int, None)
        full = known.value("training.adapter", str, "lora") == "full"
        small, large = (method == "sft" and bool(size) and size < _SMALL), bool(size) and size >= _LARGE
        rate = _RATES.get(method, 1e-4) * (5 if small else 0.5 if large else 1) / (10 if full else 1)
        model = f"{size / 1e9:.2g}B parameters" if size else "a model of unknown size"
        return Chosen(float(f"{rate:.3g}"), f"{method}, {'every weight' if full else 'an adapter'}, {model}")

    return choose


def _rank(known: Known) -> Chosen:
    task = known.value("task_type", str, "")
    rank = 8 if task in _NARROW else 32 if known.rows >= 5_000 else 16
    return Chosen(rank, f"{task or 'a task'}, {known.rows_said}")


def _alpha(known: Known) -> Chosen:
    rank = known.value("training.lora.r", int, None) or int(_rank(known).value)
    return Chosen(2 * rank, f"twice the rank, {rank}")


def _warmup(section: str) -> Callable[[Known], Chosen]:
    """A short run climbs for a longer share of it."""

    def choose(known: Known) -> Chosen:
        epochs = known.value(f"{section}.epochs", (int, float), None) or _epochs(section)(known).value
        steps = known.rows * epochs / max(1, known.value(f"{section}.batch_size", int, 8))
        return Chosen(0.1 if steps < 200 else 0.03, f"about {steps:,.0f} steps")

    return choose


def _share(split: str) -> Callable[[Known], Chosen]:
    """What the written shares leave, in the proportion of the usual ones."""

    def choose(known: Known) -> Chosen:
        few = known.rows < FEW
        usual = _SHARES[few]
        written = {name: known.value(f"splits.ratios.{name}", (int, float), None) for name in usual}
        left = 1 - sum(filter(None, written.values()))
        open_ = sum(usual[name] for name, share in written.items() if share is None)
        why = f"{known.rows_said}, {'fewer than' if few else 'not fewer than'} {FEW:,}"
        if any(share is not None for share in written.values()):
            why = f"of the {left:g} that the others leave"
        return Chosen(round(max(0.0, left) * usual[split] / open_, 6), why)

    return choose


# Shares by whether rows are few: a tenth of a small data set would be too few rows to tell models apart.
FEW = 1_000
_SHARES: Mapping[bool, Mapping[str, float]] = {
    False: {"train": 0.8, "dev": 0.1, "test": 0.1},
    True: {"train": 0.7, "dev": 0.15, "test": 0.15},
}
_CHOICES: Mapping[str, Callable[[Known], Chosen]] = {
    "training.epochs": _epochs("training"),
    "training.learning_rate": _rate("training"),
    "training.warmup_ratio": _warmup("training"),
    "training.lora.r": _rank,
    "training.lora.alpha": _alpha,
    **{f"splits.ratios.{split}": _share(split) for split in ("train", "dev", "test")},
    "training.after.epochs": _epochs("training.after"),
    "training.after.learning_rate": _rate("training.after"),
    "training.after.warmup_ratio": _warmup("training.after"),
}
