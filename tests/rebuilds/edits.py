"""What a person may edit, and which stages must run for it: said from what each stage reads, and from nothing else.

A case is (what is edited, the edit, the stages that must run). One table, so that a change of the schema is one of it.
The sets are sums of the words below. TRAINED is `train` with all that reads, directly or not, what it writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence

from tests.rebuilds.conftest import EVERYTHING, V, Workspace, rows

Edit = Callable[[Workspace], Sequence[str] | None]  # what it returns is given to the compile after it
Case = tuple[str, Edit, set[str]]

ROWS, CSV = "data/raw/rows.jsonl", "data/raw/more/a.csv"
TRAIN, EXPORT, QUANTIZE = f"train-{V}", f"export-{V}", f"quantize-{V}-q8_0"
TUNED, F16, Q8 = (f"predict-{V}-{candidate}" for candidate in ("tuned", "f16", "q8_0"))
PROMPTED, MAJORITY, RULE = "baseline-prompted-tiny", "baseline-majority", "baseline-rule"
WORDS = {"package", "papers", "report"}  # what tells people about a build
DECIDED = {"gate", *WORDS}
SCORED = {"score", *DECIDED}
CHOSEN = {"select", "test", "attack", *SCORED}
PREDICTED = {TUNED, F16, Q8, *CHOSEN}
EXPORTED = {EXPORT, QUANTIZE, F16, Q8, *CHOSEN}
TRAINED = {TRAIN, TUNED, *EXPORTED}
MODELLED = {"model-tiny", PROMPTED, *TRAINED}
BASELINES = {PROMPTED, MAJORITY, RULE}
SPLIT = {"splits", *BASELINES, *TRAINED}


def change(before: str, after: str, file: str = "task.yaml") -> Edit:
    return lambda w: w.edit(before, after, file)


def code(file: str, before: str, after: str) -> Edit:
    return lambda w: w.edit_house(file, before, after)


def append(file: str, text: str) -> Edit:
    def edit(w: Workspace) -> None:
        with (w.house / file).open("a", encoding="utf-8") as source:
            source.write(text)

    return edit


def upgrade(library: str) -> Edit:
    return lambda w: w.upgrade(library)


def write(file: str, text: str) -> Edit:
    return lambda w: w.write(file, text)


def overridden(*overrides: str) -> Edit:
    return lambda w: overrides


def source_lines(to: Callable[[list[str]], Iterable[str]], file: str = ROWS) -> Edit:
    """The lines of a data file, in another form."""

    def edit(w: Workspace) -> None:
        path = w.root / file
        path.write_text("".join(to(path.read_text(encoding="utf-8").splitlines(keepends=True))), encoding="utf-8")

    return edit


def rename_a_file(w: Workspace) -> None:
    (w.root / CSV).rename(w.root / "data/raw/more/b.csv")


def another_order_of_fields(lines: list[str]) -> list[str]:
    return [json.dumps(dict(reversed(json.loads(line).items()))) + "\n" for line in lines]


def remove_the_model_card(w: Workspace) -> None:
    (w.root / "build/package/README.md").unlink()


def damage_an_output(w: Workspace) -> None:
    path = w.root / f"build/train-{V}/curve.csv"
    path.unlink()
    path.write_text("step,loss\n1,0.1\n")


def with_more_rows(w: Workspace) -> None:
    w.write("data/general.jsonl", json.dumps({"prompt": "Who are you?", "answer": "A model."}) + "\n")
    w.edit("splits: {", "  general_mix: {path: data/general.jsonl}\nsplits: {")
    w.edit("training:", f"{GENERATE}training:")


GENERATE = "generate: {teacher: {endpoint: 'http://127.0.0.1:9/v1', model: m}, rows: [{tag: style, count: 1}]}\n"
NEW_ROW = json.dumps(next(rows(1, first=99))) + "\n"

NOTHING: list[Case] = [
    ("nothing", lambda w: None, set()),
    ("a comment", change("task_name:", "# a comment\ntask_name:"), set()),
    ("a comment at the end of a line", change("epochs: 1", "epochs: 1 # one is enough"), set()),
    ("the order of keys", change("epochs: 1\n  learning_rate: 1e-3", "learning_rate: 1e-3\n  epochs: 1"), set()),
    (
        "the order of sections",
        change("version: v1\ntask_type: extraction", "task_type: extraction\nversion: v1"),
        set(),
    ),
    ("white space", change("[q8_0]", "[ q8_0 ]"), set()),
    ("another spelling of a share", change("splits: {ratios: {train: 0.6,", "splits: {ratios: {train: 0.60,"), set()),
    ("quotes", change("task_name: tiny-slots", 'task_name: "tiny-slots"'), set()),
    ("another spelling of a number", change("learning_rate: 1e-3", "learning_rate: 0.001"), set()),
    ("a default written out", change("max_new_tokens: 8", "max_new_tokens: 8\n  confidence: 0.95"), set()),
    ("the order of baselines", change("  majority: true\n  base: false", "  base: false\n  majority: true"), set()),
    ("a preset's value written out", change("epochs: 1", "epochs: 1\n  batch_size: 8"), set()),
]

TASK_KEYS: list[Case] = [
    ("task_name", change("task_name: tiny-slots", "task_name: other-slots"), EXPORTED),
    ("version", change("version: v1", "version: v2"), WORDS),
    ("task_type", change("task_type: extraction", "task_type: structured"), {"select", *SCORED}),
    ("domain", change("domain: restaurants", "domain: bars"), {"package", "papers"}),
    ("language", change("language: en", "language: en-GB"), {"package", "papers"}),
    ("goal", change("goal: A task for tests.", "goal: Another."), WORDS),
    ("non_goals", change("non_goals: No other task.", "non_goals: None."), WORDS),
    ("system_prompt", change("Read the slots.", "Find the slots."), {PROMPTED, *TRAINED}),
    ("the words of input_template", change('"{text}"', '"Said: {text}"'), {"data", PROMPTED, RULE, *TRAINED}),
    (
        "a bound of the schema",
        change("people: {type: string, maxLength: 20}", "people: {type: string, maxLength: 30}"),
        {"data", *BASELINES, *TRAINED},
    ),
    (
        "the order of the schema's fields",
        change(
            "people: {type: string, maxLength: 20}\n      time: {type: string, maxLength: 20}",
            "time: {type: string, maxLength: 20}\n      people: {type: string, maxLength: 20}",
        ),
        {"data", *BASELINES, *TRAINED},
    ),
    (
        "the order of a field's keywords",
        change("people: {type: string, maxLength: 20}", "people: {maxLength: 20, type: string}"),
        set(),
    ),
    ("splits.seed", change("splits: {", "splits: {seed: 1, "), SPLIT),
    ("splits.stratify, where no row has a label", change("splits: {", "splits: {stratify: false, "), {"splits"}),
    (
        "splits.ratios.dev, which leaves test as it is",
        change("train: 0.6, dev: 0.2", "train: 0.5, dev: 0.3"),
        SPLIT - {PROMPTED},
    ),
    ("splits.ratios.test", change("dev: 0.2, test: 0.2", "dev: 0.1, test: 0.3"), SPLIT),
    ("one baseline fewer", change("majority: true", "majority: false"), SCORED),
    ("a value that outdid a preset's, taken away", change("  base: false\n", ""), {"baseline-base-tiny", *SCORED}),
    ("one baseline more", change("base: false", "base: true"), {"baseline-base-tiny", *SCORED}),
    ("a baseline's options", change("\\d+ people", "\\d people"), {RULE, *SCORED}),
    (
        "base_model.license",
        change("training:", "base_model: {license: mit}\ntraining:"),
        {"model-tiny", *WORDS},
    ),
    (
        "base_model.context_length",
        change("training:", "base_model: {context_length: 2048}\ntraining:"),
        {"model-tiny", *WORDS},
    ),
    ("generate and data.general_mix, switched on", with_more_rows, {"augment", "mix", *TRAINED}),
    ("a source's weight", change("rows.jsonl\n", "rows.jsonl\n      weight: 2\n"), {"data", "mix", *SPLIT}),
    ("training.prompt", change("prompt: system", "prompt: none"), TRAINED),
    ("training.epochs", change("epochs: 1", "epochs: 2"), TRAINED),
    ("training.learning_rate", change("learning_rate: 1e-3", "learning_rate: 2e-3"), TRAINED),
    ("training.lora.alpha", change("alpha: 32", "alpha: 16"), TRAINED),
    ("training.lora.dropout", change("alpha: 32", "alpha: 32, dropout: 0.1"), TRAINED),
    ("training.scheduler", change("epochs: 1", "epochs: 1\n  scheduler: linear"), TRAINED),
    ("training.dev.checks", change("epochs: 1", "epochs: 1\n  dev: {checks: 2}"), TRAINED),
    ("training.budget.steps", change("epochs: 1", "epochs: 1\n  budget: {steps: 2}"), TRAINED),
    ("execution.report_to", change("training:", "execution: {report_to: [tensorboard]}\ntraining:"), set()),
    ("training.seed", change("epochs: 1", "epochs: 1\n  seed: 1"), TRAINED),
    ("training.max_length", change("epochs: 1", "epochs: 1\n  max_length: 512"), TRAINED),
    (
        "training.lora.r, which names other stages",
        change("r: 16", "r: 8"),
        {name.replace("r16", "r8") for name in TRAINED},
    ),
    (
        "one quantization more, which is not chosen",
        change("[q8_0]", "[q8_0, q4_0]"),
        {f"quantize-{V}-q4_0", f"predict-{V}-q4_0", "select", *WORDS},
    ),
    ("quantization.max_drop, for the same choice", change("max_drop: 0.5", "max_drop: 0.4"), {"select", *WORDS}),
    ("evaluation.metrics", change("max_new_tokens: 8", "max_new_tokens: 8\n  metrics: []"), {"select", *SCORED}),
    ("evaluation.confidence", change("resamples: 100", "resamples: 100\n  confidence: 0.9"), {"select", *SCORED}),
    ("evaluation.resamples", change("resamples: 100", "resamples: 200"), {"select", *SCORED}),
    ("evaluation.max_new_tokens", change("max_new_tokens: 8", "max_new_tokens: 9"), {PROMPTED, *PREDICTED}),
    ("evaluation.sequences", change("max_new_tokens: 8", "max_new_tokens: 8\n  sequences: 4"), {PROMPTED, *PREDICTED}),
    (
        "evaluation.attacks",
        change("max_new_tokens: 8", "max_new_tokens: 8\n  attacks: 9"),
        {"attack", *SCORED},
    ),
    ("success_criteria.threshold", change("threshold: 0.5", "threshold: 0.6"), DECIDED),
    (
        "success_criteria.primary_metric",
        change("threshold: 0.5", "threshold: 0.5\n  primary_metric: exact_match"),
        {"select", *SCORED},
    ),
    (
        "a gate that is switched off",
        change("threshold: 0.5", "threshold: 0.5\n  gates: {beats_baselines: false}"),
        DECIDED,
    ),
    ("success_criteria.gates", change("threshold: 0.5", "threshold: 0.5\n  gates: {schema_validity: 0.9}"), DECIDED),
]

COSTS = "data:\n"
COUNTED = {"cost", "report"}  # what prices and the section `cost` decide


def first_counted(edit: Edit) -> Edit:
    """The edit, in a workspace that was built with the section `cost` before."""

    def both(w: Workspace) -> Sequence[str] | None:
        w.edit(COSTS, f"cost: {{months: 6}}\n{COSTS}")
        w.compile()
        assert w.repro() == COUNTED
        return edit(w)

    return both


PRICE = """\
currency: USD
date: 2026-11-01
source: a bill
prices: {{machine: {{price: {price}, unit: hour}}}}
"""
PRICES: list[Case] = [  # tests/compiler/test_costing.py has more, without a build
    ("a price", first_counted(write("conf/prices/own_cpu.yaml", PRICE.format(price=0.5))), COUNTED),
    ("a price, where there is no section cost", write("conf/prices/own_cpu.yaml", PRICE.format(price=0.5)), set()),
]

SOURCES: list[Case] = [
    ("a duplicate row", source_lines(lambda lines: [lines[7], *lines, lines[3]]), {"data"}),
    ("the order of rows", source_lines(lambda lines: reversed(lines)), {"data"}),
    ("a row that is no row", source_lines(lambda lines: [*lines, "not JSON\n"]), {"data"}),
    ("blank lines", source_lines(lambda lines: [line + "\n" for line in lines]), {"data"}),
    ("the order of a row's fields", source_lines(another_order_of_fields), {"data"}),
    ("a duplicate row in the other file", source_lines(lambda lines: [*lines, lines[1]], CSV), {"data"}),
    ("a file's name", rename_a_file, {"data"}),
    ("a file that holds what is known", write("data/raw/more/b.csv", "utterance,slots\n"), {"data"}),
    ("a file that is no source", write("data/raw/README.md", "Other words.\n"), set()),
    ("a new row, which falls to train", source_lines(lambda lines: [*lines, NEW_ROW]), {"data", *SPLIT} - {PROMPTED}),
    (
        "a word in a train row of the other file",
        source_lines(lambda lines: [line.replace("request 33", "call 33") for line in lines], CSV),
        {"data", *SPLIT} - {PROMPTED},
    ),
    (
        "a source's format written out",
        change("- path: data/raw/rows.jsonl", "- path: data/raw/rows.jsonl\n      format: jsonl"),
        {"data"},
    ),
    ("the answer's column written out", change("data:\n", "data:\n  output: output\n"), {"data"}),
    (
        "a source's role",
        change("- path: data/raw/rows.jsonl", "- path: data/raw/rows.jsonl\n      role: train"),
        {"data", *SPLIT},
    ),
    ("the base model's weights", write("models/tiny/model.safetensors", "other weights\n"), MODELLED),
    ("a file beside the base model", write("models/tiny/notes.md", "Trained at night.\n"), {"model-tiny"}),
]

PRESETS: list[Case] = [
    ("a preset of the workspace", write("conf/method/sft.yaml", "training: {weight_decay: 0.1}\n"), TRAINED),
    ("defaults of the workspace", write("conf/defaults.yaml", "splits: {seed: 3}\n"), SPLIT),
    (
        "a task type of the workspace",
        write("conf/task_type/extraction.yaml", "success_criteria: {gates: {schema_validity: 0.5}}\n"),
        DECIDED,
    ),
    ("a preset that task.yaml outdoes", write("conf/method/sft.yaml", "training: {epochs: 9}\n"), set()),
    ("a preset that nobody names", write("conf/base_model/other.yaml", "training: {epochs: 9}\n"), set()),
    ("a shipped preset", code("conf/defaults.yaml", "weight_decay: 0.0", "weight_decay: 0.1"), TRAINED),
    ("a comment in a shipped preset", append("conf/method/sft.yaml", "# a comment\n"), set()),
    ("an override", overridden("training.epochs=2"), TRAINED),
    ("an override that says what task.yaml says", overridden("training.epochs=1"), set()),
]

CODE: list[Case] = [
    (
        "a docstring of train.py",
        code("stages/train.py", '"""Train on the train rows by', '"""Train by'),
        set(),
    ),
    ("a comment in train.py", append("stages/train.py", "\n# a comment\n"), set()),
    (
        "the layout of train.py",
        code(
            "stages/train.py",
            "learned = learn(ready, params.dev, params.budget)",
            "learned = (\n            learn(ready,   params.dev, params.budget))",
        ),
        set(),
    ),
    ("the code of train.py", append("stages/train.py", "\nMORE = 1\n"), {TRAIN}),
    ("how a checkpoint is kept", append("stages/checkpoints.py", "\nMORE = 1\n"), {TRAIN}),
    (
        "a module that some stages share",
        append("stages/weights.py", "\nMORE = 1\n"),
        {"model-tiny", TRAIN, EXPORT, TUNED, "test", PROMPTED},
    ),
    ("a module of train alone", append("stages/lora.py", "\nMORE = 1\n"), {TRAIN}),
    ("the code of splits.py", append("stages/splits.py", "\nMORE = 1\n"), {"splits"}),
    ("the code of quantize.py", append("stages/quantize.py", "\nMORE = 1\n"), {QUANTIZE}),
    ("how a GGUF is quantized", append("stages/requantizing.py", "\nMORE = 1\n"), {QUANTIZE, PROMPTED}),
    (
        "the engine of GGUF files",
        append("stages/engines/_llama_batch.py", "\nMORE = 1\n"),
        {QUANTIZE, F16, Q8, "test", "attack", PROMPTED, "package"},
    ),
    ("the engine of adapters", append("stages/engines/transformers.py", "\nMORE = 1\n"), {TUNED, "test", PROMPTED}),
    ("a metric", append("stages/metrics/macro_f1.py", "\nMORE = 1\n"), {"select", "score"}),
    ("a gate", append("stages/gates/threshold.py", "\nMORE = 1\n"), {"gate"}),
    ("a baseline", append("stages/baselines/rule.py", "\nMORE = 1\n"), {RULE}),
    ("a baseline that another falls back on", append("stages/baselines/majority.py", "\nMORE = 1\n"), BASELINES),
    ("a hostile input", append("stages/hostile.py", "\nMORE = 1\n"), {"attack", "score"}),
    ("the Modelfile", append("stages/modelfile.py", "\nMORE = 1\n"), {"package"}),
    ("the plots", append("stages/drawing.py", "\nMORE = 1\n"), {"report"}),
    ("the page's template", append("stages/report.html.jinja", "<!-- more -->\n"), {"report"}),
    ("what every stage imports", append("stages/base.py", "\nMORE = 1\n"), EVERYTHING),
    ("the compiler", append("compiler/plan.py", "\nMORE = 1\n"), set()),
    ("the face", append("tunec/table.py", "\nMORE = 1\n"), set()),
    ("what only starts stages", append("stages/runner.py", "\nMORE = 1\n"), set()),
]

LIBRARIES: list[Case] = [
    ("trl", upgrade("trl"), {TRAIN}),
    ("peft", upgrade("peft"), {TRAIN, EXPORT, TUNED, "test", PROMPTED}),
    ("transformers", upgrade("transformers"), {"model-tiny", TRAIN, EXPORT, TUNED, "test", PROMPTED}),
    ("llama.cpp", upgrade("llama-cpp-python"), {QUANTIZE, F16, Q8, "test", "attack", PROMPTED}),
    ("numpy", upgrade("numpy"), {"data", "splits", "select", "score"}),
    ("opencc", upgrade("opencc"), {"data", "splits"}),
    ("jsonschema", upgrade("jsonschema"), {"data", "select", "score"}),
    ("matplotlib", upgrade("matplotlib"), {"report"}),
    ("a library that no stage computes with", upgrade("rich"), set()),
]

OUTPUTS: list[Case] = [
    ("an output that is gone", remove_the_model_card, set()),
    ("an output that is another", damage_an_output, set()),
]

EDITS = [
    (f"{group}: {what}".replace(" ", "-"), edit, expected)
    for group, cases in {
        "nothing to do": NOTHING,
        "task.yaml": TASK_KEYS,
        "data": SOURCES,
        "presets": PRESETS,
        "prices": PRICES,
        "code": CODE,
        "version": LIBRARIES,
        "outputs": OUTPUTS,
    }.items()
    for what, edit, expected in cases
]

# What `make test` tries; `make test-all` tries every one.
OFTEN = {
    f"{group}: {what}".replace(" ", "-")
    for group, names in {
        "nothing to do": ("a comment", "the order of keys", "a default written out"),
        "task.yaml": (
            "system_prompt",
            "a bound of the schema",
            "training.learning_rate",
            "training.lora.r, which names other stages",
            "one quantization more, which is not chosen",
            "quantization.max_drop, for the same choice",
            "success_criteria.threshold",
        ),
        "data": ("a duplicate row", "a row that is no row"),
        "presets": ("a shipped preset",),
        "code": ("a docstring of train.py", "the code of train.py", "the engine of GGUF files", "the compiler"),
        "version": ("trl", "matplotlib"),
        "outputs": ("an output that is gone",),
    }.items()
    for what in names
}
