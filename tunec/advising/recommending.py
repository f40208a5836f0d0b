"""Two or three ways to train it, each a patch of task.yaml: base model, method, adapter, rank, epochs, versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler import Compiled, compile_task
from compiler.parse import Node, ParseError, parse
from compiler.settle import Known, choices
from stages.chat import Prompting
from stages.counting import counted
from stages.diagnostics import UserError, fail
from tunec import rewriting
from tunec.advising import hardware, models
from tunec.advising.lengths import contract, lengths
from tunec.advising.resources import Resources
from tunec.advising.verdict import table
from tunec.coaching import answers as answering
from tunec.compiling import write_if_changed
from tunec.observing import Observed
from tunec.workspace import TASK, Disk, read_task

SWEEP = Path("conf", "sweep", "advised.yaml")
_USUALLY_AUTO = ("training.epochs", "training.learning_rate")  # what the presets leave to compiler/settle.py
_USUAL: tuple[tuple[str, Any], ...] = (
    ("training.method", "sft"),
    ("training.adapter", "lora"),
    ("training.lora.r", 16),
    ("training.lora.alpha", 32),
    ("versioning.strategy", "semantic"),
)  # as conf/defaults.yaml and the schema have it


@dataclass(frozen=True)
class Way:
    """A candidate. patch: dotted key -> value, as task.yaml would say it. reasons: one for each key."""

    model: models.Candidate
    patch: Mapping[str, Any]
    reasons: Mapping[str, str]
    drawbacks: tuple[str, ...]

    def json(self) -> dict[str, Any]:
        told = {"base_model": self.model.preset, "memory": self.model.memory, "drawbacks": list(self.drawbacks)}
        return {**told, "patch": dict(self.patch), "reasons": dict(self.reasons)}


def ways(
    root: Path,
    compiled: Compiled,
    seen: Observed | None,
    rows: int,
    answers: answering.Answers,
    resources: Resources,
) -> list[Way]:
    """Best first. Each was compiled: it has no error, or it is left out. rows: to train on."""
    text, needs = read_task(root / TASK), _needs(compiled, seen, answers, resources)
    found = (_way(compiled, one, seen, rows) for one in models.candidates(root, needs))
    return [way for way in found if _compiles(root, rewriting.with_values(text, way.patch))]


def _needs(compiled: Compiled, seen: Observed | None, answers: answering.Answers, resources: Resources) -> models.Needs:
    task, training, machine = compiled.task, compiled.task.training, _machine(compiled, answers)
    form = task.output_format
    prompting = Prompting(input_template=task.input_template, system_prompt=task.system_prompt, mode=training.prompt)
    found = lengths(prompting, contract(form.type, form.schema_), seen).within(training.max_length)
    return models.Needs(
        task.task_type,
        task.language,
        found,
        form.type == "text",
        machine,
        batch=training.batch_size,
        shared=training.shared_prefix != "off",
        network=answers.get("network") is not False,
        target=task.versioning.deploy_target,
        held=_held(compiled, machine, resources),
    )


def _held(compiled: Compiled, machine: hardware.Machine, resources: Resources) -> dict[str, int]:
    """What the task's own base model held in its last trainings here, which no reckoning is surer than."""
    if compiled.task.training.adapter != "lora" or compiled.task.execution.type != "local":
        return {}
    ran = [one.gpu if machine.gpu else one.memory for one in resources.trainings]
    most = max(filter(None, ran), default=None)
    return {} if most is None or len(compiled.variants) > 1 else {compiled.task.training.base_model: most}


def _machine(compiled: Compiled, answers: answering.Answers) -> hardware.Machine:
    if compiled.task.execution.type != "local":
        return hardware.remote(answers.get("gpu_memory"))
    return hardware.named(answers)


def _way(compiled: Compiled, model: models.Candidate, seen: Observed | None, rows: int) -> Way:
    from tunec.coaching.words import words

    task, say = compiled.task, words("en").say
    method = {"pairs": "orpo", "verdicts": "kto"}.get(seen.columns.shape if seen else "", "sft")
    why_model = "; ".join(say(f"models.{word}", **values) for word, values in model.why)
    patch: dict[str, Any] = {
        "training.base_model": model.preset,
        "training.method": method,
        "training.adapter": model.adapter,
    }
    reasons = {
        "training.base_model": f"{why_model or 'nearest to what is needed'} [{models.table()['sizes']['from']}]",
        "training.method": {"sft": "rows with right answers"}.get(
            method, "rows say which answer is better [nlp-skills]"
        ),
        "training.adapter": "in four bits it fits" if model.adapter == "qlora" else "an adapter first [fine-tuning]",
    }
    for key, chosen in _settled(compiled, model).items():
        patch[key] = int(chosen[0]) if float(chosen[0]).is_integer() else chosen[0]
        reasons[key] = f"{chosen[1]} [compiler/settle.py]"
    target = task.versioning.deploy_target
    patch["versioning.strategy"] = table()["versions"]["targets"][target]
    reasons["versioning.strategy"] = f"suits {target} [nlp-skills]"
    drawbacks = tuple(say(f"models.{word}", **values) for word, values in model.drawbacks)
    if rows and rows < 100:
        drawbacks = (*drawbacks, f"{counted(rows, 'row', 'is', 'are')} few for any training [nlp-skills: below 100]")
    return Way(model, patch, reasons, drawbacks)


def _settled(compiled: Compiled, model: models.Candidate) -> dict[str, tuple[float, str]]:
    """Rank, epochs and rate for this model and these rows, as `auto` comes to them."""
    keys = ("training.lora.r", "training.lora.alpha", "training.epochs", "training.learning_rate")
    tree = compiled.tree
    values = {
        **dict.fromkeys(keys, "auto"),
        "base_model.parameters": model.parameters,
        "training.adapter": model.adapter,
    }
    for key, value in values.items():
        tree = _with(tree, key.split("."), value)
    found = choices(Known(tree, Disk(Path())))
    return {key: (found[key].value, found[key].why) for key in keys}


def _with(tree: Node, path: list[str], value: Any) -> Node:
    name, *rest = path
    inner = dict(tree.value) if isinstance(tree.value, dict) else {}
    old = inner.get(name) or Node({}, tree.span, tree.span)
    inner[name] = _with(old, rest, value) if rest else Node(value, old.span, old.key)
    return Node(inner, tree.span, tree.key)


def _compiles(root: Path, text: str) -> bool:
    try:
        compile_task(text, Disk(root))
    except (ParseError, UserError):
        return False
    return True


def differing(text: str, way: Way) -> dict[str, Any]:
    """Of a way's patch, what the text does not say already: a number stands for an `auto` that comes to it anyway."""
    tree = parse(text, TASK)
    return {key: value for key, value in way.patch.items() if not _says(tree.get(key), key, value)}


def _says(node: Node | None, key: str, value: Any) -> bool:
    if node is None:
        return key in _USUALLY_AUTO or (key, value) in _USUAL
    return bool(node.value == "auto" or node.plain() == value)


def apply(root: Path, way: Way) -> tuple[str, str]:
    """Write a way's patch into task.yaml; comments stay. Gives the text before and after. Raises T856."""
    before = read_task(root / TASK)
    after = rewriting.with_values(before, differing(before, way))
    if not _compiles(root, after):
        help = "write its values by hand; `tunec advise --json` lists them"
        raise fail("T856", f"{TASK} would not compile with this advice", help=help)
    write_if_changed(root / TASK, after)
    return before, after


def sweep(found: list[Way], rows: int) -> str:
    """The candidates that can be had against one another, and the ranks that are usual for so many rows, as a file of
    conf/sweep/.
    """
    from tunec.importing.writing import flow

    found = [way for way in found if "offline" not in dict(way.model.drawbacks)] or found
    known = table()["ranks"]
    ranks = next(ranks for most, ranks in known["rows"] if rows <= most)
    ranks = list(dict.fromkeys([found[0].patch["training.lora.r"], *ranks]))
    points = [
        {"training.base_model": w.patch["training.base_model"], "training.lora.r": r, "training.lora.alpha": 2 * r}
        for w in found
        for r in ranks
    ]
    usual = f"with the ranks usual for {counted(rows, 'row')} [{known['from']}]"
    head = f"# Written by `tunec advise --sweep`: the advised models, {usual}."
    return "\n".join(["# @package _global_", head, "sweep:", *(f"  - {flow(point)}" for point in points)]) + "\n"
