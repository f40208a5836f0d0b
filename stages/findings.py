"""The papers that say what came of it: the baselines, how the model was trained, and what it gets right and wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from stages.base import Key, Params
from stages.card import evaluation
from stages.counting import counted
from stages.rows import dumps
from stages.specs import cell

_LARGEST = 10  # clusters that are told of
_SLICES = 20  # values of a slice


class Recipe(Params):
    """How the model was trained; of variants that differ in one, variant -> its value."""

    method: Annotated[Any, Key("training.method", varies=True)]
    adapter: Annotated[Any, Key("training.adapter", varies=True)]
    prompt: Annotated[Any, Key("training.prompt", varies=True)]
    r: Annotated[Any, Key("training.lora.r", varies=True)]
    alpha: Annotated[Any, Key("training.lora.alpha", varies=True)]
    dropout: Annotated[Any, Key("training.lora.dropout", varies=True)]
    target_modules: Annotated[Any, Key("training.lora.target_modules", varies=True)]
    epochs: Annotated[Any, Key("training.epochs", varies=True)]
    learning_rate: Annotated[Any, Key("training.learning_rate", varies=True)]
    batch_size: Annotated[Any, Key("training.batch_size", varies=True)]
    warmup_ratio: Annotated[Any, Key("training.warmup_ratio", varies=True)]
    weight_decay: Annotated[Any, Key("training.weight_decay", varies=True)]
    scheduler: Annotated[Any, Key("training.scheduler", varies=True)]
    max_length: Annotated[Any, Key("training.max_length", varies=True)]
    seed: Annotated[Any, Key("training.seed", varies=True)]

    def of(self, variant: str) -> Recipe:
        """That of this variant."""
        given = self.model_dump()
        return self.model_copy(update={k: v[variant] for k, v in given.items() if isinstance(v, dict) and variant in v})


def baseline_report(table: Mapping[str, Any], primary: str) -> Iterator[str]:
    """What needs no training, on the same test rows as the model that was trained."""
    rows = table["rows"]["test"]
    yield from ("# What needs no training", "", f"{counted(rows, 'test row')}.", "")
    yield from (f"| system | {primary} | interval | lead of the chosen file |", "|---|---:|---:|---:|")
    for system in table["systems"]:
        figure = (system["test"] or {}).get(primary)
        if figure and (system["kind"] == "baseline" or system["chosen"]):
            lead = system["ahead"]
            ahead = "" if lead is None else f"{lead['value']:+.3f} ({lead['low']:+.3f} to {lead['high']:+.3f})"
            mark = " (chosen)" if system["chosen"] else ""
            ends = f"{figure['low']:.3f} to {figure['high']:.3f}"
            yield f"| {cell(system['name'])}{mark} | {figure['value']:.3f} | {ends} | {ahead} |"
    worth = table["worth"]
    yield from ("", f"**{worth['title']}.** {worth['why']}")


def train_config(variant: str, model: Mapping[str, Any], recipe: Recipe) -> Iterator[str]:
    """YAML; JSON values are YAML, so nothing that a task says can leave its place."""
    yield f"# How {variant} was trained, written from task.yaml and its presets."
    yield "base_model:"
    pinned = ("name", "source", "repo", "revision", "path", "file", "sha256", "license")
    yield from (f"  {name}: {dumps(model[name])}" for name in pinned if model.get(name) is not None)
    yield "training:"
    lora = ("r", "alpha", "dropout", "target_modules")
    given = recipe.model_dump()
    yield from (f"  {name}: {dumps(value)}" for name, value in given.items() if name not in lora)
    if given["adapter"] != "full":
        yield "  lora:"
        yield from (f"    {name}: {dumps(given[name])}" for name in lora)


def eval_report(primary: str, reports: Mapping[str, Any], table: Mapping[str, Any]) -> Iterator[str]:
    """Every metric of every system, the gates, the slices, and the clusters of what is wrong."""
    yield from evaluation(primary, reports)
    yield from ("", "## Verdict", "", f"**{reports['verdict']['verdict']}**", "")
    yield f"Shipped would be {reports['choice']['candidate']}: {cell(reports['reason']['reason'])}."
    for name, values in sorted(table["slices"].items()):
        yield from (
            "",
            f"## By {cell(name)}",
            "",
            f"| {cell(name)} | rows | {primary} | interval |",
            "|---|---:|---:|---:|",
        )
        for value, figure in list(values.items())[:_SLICES]:
            ends = f"{figure['low']:.3f} to {figure['high']:.3f}"
            yield f"| {cell(value)} | {figure['rows']:,} | {figure['value']:.3f} | {ends} |"
    yield from ("", "## What is wrong", "", *_clusters(reports))


def _clusters(reports: Mapping[str, Any]) -> Iterator[str]:
    """No example, and no word of a test row: a paper goes where rows may not, and to those who write new ones."""
    found = reports["clusters"]
    if not found:
        yield "Every test row was answered right whole."
        return
    yield from ("| kind | of | rows | likely cause | what to do |", "|---|---|---:|---|---|")
    for one in found[:_LARGEST]:
        yield f"| {one['kind']} | {cell(one['what'])} | {one['rows']:,} | {one['cause']} | {cell(one['advice'])} |"
