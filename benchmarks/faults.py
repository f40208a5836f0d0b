"""Builds with one fault each, and what `tunec diagnose` says of them: is the planted cause named first?

    python benchmarks/faults.py [--only NAME …] [--keep FOLDER] [--plain] [--seed N] [--held-out]

The marks of the diagnosis were set on seed 0 and the usual labels. --seed: other rows of them are drawn. --held-out:
other labels, on which no mark was set. Every build is a real one, by DVC, of rows of banking77 and of a model of two
million weights that begins as noise and learns them: 20 to 60 s each on two cores. --keep: builds
stay in this folder, and one that stands there is only diagnosed. --plain: llama.cpp without its kernels for AMX, which
crash on some virtual machines. Ends with 1 when a figure does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from figures import figure  # noqa: E402

from tests import tiny  # noqa: E402
from tunec.rewriting import with_values  # noqa: E402

_SHARED = [folder / "shared" / "data" / "banking77.jsonl" for folder in ROOT.parents]
ROWS = next((file for file in _SHARED if file.is_file()), _SHARED[0])
USUAL = (
    *("card_arrival", "exchange_rate", "lost_or_stolen_card", "age_limit"),
    *("top_up_failed", "cash_withdrawal_charge"),
)
OTHERS = ("pin_blocked", "edit_personal_details", "get_physical_card", "atm_support", "apple_pay_or_google_pay")
NEAR = (
    *("card_arrival", "card_delivery_estimate", "card_not_working", "card_swallowed", "declined_card_payment"),
    *("declined_transfer", "failed_transfer", "pending_transfer"),
)  # of like meaning: where answers hang by little, as real ones do
# Other labels in the place of those that the marks were set on.
HELD_USUAL = (
    *("activate_my_card", "request_refund", "country_support", "verify_my_identity"),
    *("top_up_limits", "transfer_timing"),
)
HELD_OTHERS = ("terminate_account", "passcode_forgotten", "receiving_money", "disposable_card_limits")
HELD_OTHERS += ("visa_or_mastercard",)
HELD_NEAR = (
    *("pending_card_payment", "reverted_card_payment?", "card_payment_not_recognised", "declined_cash_withdrawal"),
    *("direct_debit_payment_not_recognised", "pending_cash_withdrawal", "cash_withdrawal_not_recognised"),
    "wrong_amount_of_cash_received",
)
HELD_OUT = {USUAL: HELD_USUAL, OTHERS: HELD_OTHERS, NEAR: HELD_NEAR}
TRAIN, DEV, TEST = 80, 20, 15  # rows a label
LABELS = """\
task_name: intents
task_type: classification
input_template: "{text}"
output_format:
  type: label
  schema: {enum: []}
data: {sources: [{path: data/raw/rows.jsonl}]}
baselines: {majority: true, tfidf: true, base: false, prompted: false}
training:
  base_model: models/tiny
  adapter: full
  prompt: none
  epochs: 4
  batch_size: 4
  learning_rate: 1e-3
quantization: {formats: [q8_0], max_drop: 1.0}
evaluation: {resamples: 200}
success_criteria: {threshold: 0.5}
"""
JSON = LABELS.replace("type: label\n  schema: {enum: []}", "type: json\n  schema: {intent: {type: string, enum: []}}")
JSON = JSON.replace("tfidf: true", "nearest: true")
Row = dict[str, Any]
Plant = Callable[[list[Row]], list[Row]]


def same(rows: list[Row]) -> list[Row]:
    return rows


@dataclass(frozen=True)
class Case:
    """cause: what diagnose must name first; None: nothing. keys: of the task. patch: of the code, run in each process.

    model: what is done to the base model's folder.
    """

    name: str
    cause: str | None
    rows: Plant = same
    keys: Mapping[str, Any] = field(default_factory=dict)
    task: str = LABELS
    labels: tuple[str, ...] = USUAL
    patch: str = ""
    model: Callable[[Path], None] | None = None
    seed: int = 0


# ---------------------------------------------------------------- what is planted


Change = Callable[[Row, random.Random, list[str]], list[Row]]


def of_train(change: Change, rows: list[Row]) -> list[Row]:
    rng, labels = random.Random(1), labels_of(rows)  # noqa: S311 - no secret
    return [new for row in rows for new in (change(row, rng, labels) if row["split"] == "train" else [row])]


def labels_of(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(row["label"] for row in rows))


def noisy(row: Row, rng: random.Random, labels: list[str]) -> list[Row]:
    others = [label for label in labels if label != row["label"]]
    return [{**row, "label": rng.choice(others)} if rng.random() < 0.2 else row]


def conflicting(row: Row, rng: random.Random, labels: list[str]) -> list[Row]:
    """A third of the rows stand there again, a little otherwise, with the label that comes next."""
    following = labels[(labels.index(row["label"]) + 1) % len(labels)]
    twin = {**row, "text": row["text"].upper(), "label": following}
    return [row, twin] if rng.random() < 0.35 else [row]


def prose(row: Row, rng: random.Random, labels: list[str]) -> list[Row]:
    said = "Sure! Here is the intent: " + json.dumps(row["output"]) + " Let me know if you need more."
    return [{**row, "output": said} if rng.random() < 0.7 else row]


def leaking(rows: list[Row]) -> list[Row]:
    told = [{**row, "text": f"Hello, {row['text']}", "split": "train"} for row in rows if row["split"] == "dev"]
    return rows + told[::2]


def lacking(rows: list[Row]) -> list[Row]:
    third = labels_of(rows)[2]
    return [row for row in rows if row["split"] != "train" or row["label"] != third]


def shifted(rows: list[Row]) -> list[Row]:
    """Dev and test are letters to the bank; train rows are what is typed into a search field."""

    def letter(text: str) -> str:
        return f"Dear madam or sir, I am writing as a customer of many years. {text.lower()} Kind regards, R. Doe"

    return [row if row["split"] == "train" else {**row, "text": letter(row["text"])} for row in rows]


def doubled(rows: list[Row]) -> list[Row]:
    """Eight rows of each label, ten times each, with other punctuation."""
    few = fewer(8, rows)
    ends = ("", "!", "?", ".", " ?", " !", "..", "!!", "??", " .")
    return [row for row in few if row["split"] != "train"] + [
        {**row, "text": row["text"].rstrip("?!. ") + end} for row in few if row["split"] == "train" for end in ends
    ]


def fewer(many: int, rows: list[Row]) -> list[Row]:
    seen: dict[str, int] = {}
    found = []
    for row in rows:
        seen[row["label"]] = seen.get(row["label"], 0) + (row["split"] == "train")
        if row["split"] != "train" or seen[row["label"]] <= many:
            found.append(row)
    return found


def foreign_template(folder: Path) -> None:
    """The chat template of another family, whose marks this tokenizer has no tokens for."""
    file = folder / "tokenizer_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    turn = config["chat_template"].replace("<|im_start|>", "<start_of_turn>")
    config["chat_template"] = turn
    file.write_text(json.dumps(config), encoding="utf-8")


def outliers(folder: Path) -> None:
    """One channel of 16 is read by weights 32 times as large, and its norm makes it as much smaller.

    The model says what it said before. But two bits and a scale for 16 weights leave nothing of the other 15, as the
    outlying channels of large models do (Dettmers et al. 2022, LLM.int8()).
    """
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    for name, tensor in weights.items():
        if name.endswith(("input_layernorm.weight", "post_attention_layernorm.weight")):
            tensor[::16] /= 32
        elif name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight", "gate_proj.weight", "up_proj.weight")):
            tensor[:, ::16] *= 32
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


STRONG = {"quantization.formats": ["q2_k"], "quantization.imatrix": 0}
NO_STOP = """
def patch(module):
    whole = module.stop_tokens
    module.stop_tokens = lambda tokenizer: []
WANTED["stages.supervision"] = patch
"""
NO_AMX = """
def plain(module):
    usual = module.llama_model_default_params
    def params():
        found = usual()
        found.use_extra_bufts = False
        return found
    module.llama_model_default_params = params
WANTED["llama_cpp"] = WANTED["llama_cpp.llama_cpp"] = plain
"""
OFF = {"data.gates": {"consistency": "off", "near": "off"}}
FAULTS = (
    Case("label noise in 20% of the train rows", "label_noise", partial(of_train, noisy)),
    Case("half of the dev rows in train", "leak", leaking, {"splits.leakage.action": "off"}),
    Case("another family's chat template", "wrong_template", model=foreign_template),
    Case("rate x 100", "rate_too_high", keys={"training.learning_rate": 0.1}),
    Case("20 epochs", "too_many_epochs", partial(fewer, 30), {"training.epochs": 20}),
    Case("truncated answers", "truncation", keys={"evaluation.max_new_tokens": 6}, task=JSON),
    Case("a label missing in train", "missing_label", lacking),
    Case("conflicting labels", "conflicting_labels", partial(of_train, conflicting), OFF),
    Case("shifted dev", "shift", shifted),
    Case("q2_k", "quantization", keys=STRONG, labels=NEAR, model=outliers),
    Case("stop token untrained", "stop_untrained", task=JSON, patch=NO_STOP),
    Case("prose in outputs", "prose", partial(of_train, prose), task=JSON),
    Case("duplicates", "duplicates", doubled),
    Case("too few rows", "too_few_rows", partial(fewer, 6)),
)
HEALTHY = (
    Case("healthy", None),
    Case("healthy, other labels", None, labels=OTHERS),
    Case("healthy, JSON", None, task=JSON),
    Case("healthy, labels of like meaning", None, labels=NEAR, seed=3),
)


# ---------------------------------------------------------------- a build


def rows_of(labels: tuple[str, ...], seed: int) -> list[Row]:
    """The first rows of each label, shuffled: train of banking77's train rows, dev and test of its test rows."""
    every = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]
    random.Random(seed).shuffle(every)  # noqa: S311 - no secret
    parts = {"train": ("train", 0, TRAIN), "dev": ("test", 0, DEV), "test": ("test", DEV, DEV + TEST)}
    return [
        {**row, "split": split}
        for split, (of, first, end) in parts.items()
        for label in labels
        for row in [row for row in every if row["label"] == label and row["split"] == of][first:end]
    ]


def write(case: Case, root: Path, plain: bool) -> None:
    """The workspace of a case, not yet built."""
    (root / "data" / "raw").mkdir(parents=True)
    rows = rows_of(case.labels, case.seed)
    model(root / "models" / "tiny", [row["text"] for row in rows])
    if case.model:
        case.model(root / "models" / "tiny")
    if case.task is JSON:
        rows = [
            {"text": r["text"], "output": {"intent": r["label"]}, "label": r["label"], "split": r["split"]}
            for r in rows
        ]
    lines = [{k: v for k, v in r.items() if k != "label" or case.task is LABELS} for r in case.rows(rows)]
    (root / "data" / "raw" / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines), encoding="utf-8")
    text = case.task.replace("enum: []", f"enum: {json.dumps(list(case.labels))}")
    (root / "task.yaml").write_text(with_values(text, case.keys), encoding="utf-8")
    hooks = HOOK + (NO_AMX if plain else "") + case.patch
    (root / "hooks").mkdir()
    (root / "hooks" / "sitecustomize.py").write_text(hooks, encoding="utf-8")
    subprocess.run(["dvc", "init", "--quiet", "--no-scm"], cwd=root, check=True)


HOOK = """\
import importlib.abc, importlib.util, sys
WANTED = {}
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name not in WANTED:
            return None
        patch = WANTED.pop(name)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module
        def then(module):
            run(module)
            patch(module)
        spec.loader.exec_module = then
        return spec
sys.meta_path.insert(0, Finder())
"""


def model(folder: Path, texts: list[str]) -> None:
    """A random model of tests/tiny.py, wide enough for every quantization, with a vocabulary of these texts."""
    tiny.VOCABULARY, tiny.SENTENCES = 1024, (*texts, *WORDS, *tiny.SENTENCES)
    tiny.SHAPES["llama"].update(hidden_size=256, intermediate_size=512, head_dim=64)
    tiny.tiny_model(folder)


WORDS = ('{"intent": "card_arrival"}',) * 5


def build(case: Case, root: Path, plain: bool) -> None:
    write(case, root, plain)
    path = os.pathsep.join([str(root / "hooks"), str(ROOT)])
    env = {**os.environ, "PYTHONPATH": path, "DVC_NO_ANALYTICS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(["tunec", "build"], cwd=root, env=env, capture_output=True, text=True, check=False)
    (root / "build.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode not in (0, 2):
        print(f"{case.name}: the build ended with {done.returncode}\n{done.stderr[-1500:]}", file=sys.stderr)


def diagnosed(root: Path) -> list[str]:
    """The causes that are claimed, in their order."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["tunec", "diagnose", "--json"], cwd=root, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stderr[-1500:], file=sys.stderr)
        return ["(no diagnosis)"]
    return [cause["name"] for cause in json.loads(done.stdout)["causes"]]


# ---------------------------------------------------------------- figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        cases = [replace(case, seed=case.seed + given.seed) for case in (*FAULTS, *HEALTHY)]
        if given.held_out:
            cases = [replace(case, labels=HELD_OUT[case.labels]) for case in cases]
        wanted = [case for case in cases if not given.only or case.name in given.only]
        found = {case.name: look(case, folder, given.plain) for case in wanted}
    sys.exit(not judge(found))


def look(case: Case, folder: Path, plain: bool) -> list[str]:
    root = folder / case.name.replace(" ", "-").replace("%", "").replace(",", "")
    if not root.exists():
        build(case, root, plain)
    causes = diagnosed(root)
    print(json.dumps({"case": case.name, "planted": case.cause, "claimed": causes}), flush=True)
    return causes


def judge(found: Mapping[str, list[str]]) -> bool:
    faults = [case for case in FAULTS if case.name in found]
    healthy = [case for case in HEALTHY if case.name in found]
    first = sum(found[case.name][:1] == [case.cause] for case in faults)
    three = sum(case.cause in found[case.name][:3] for case in faults)
    claims = sum(bool(found[case.name]) for case in healthy)
    held = [
        figure("planted_causes_not_first", len(faults) - first, f"of {len(faults)}", 3),
        figure("planted_causes_not_among_the_first_three", len(faults) - three, f"of {len(faults)}", 0),
        figure("healthy_builds_with_a_cause_claimed", claims, f"of {len(healthy)}", 0),
    ]
    return all(held)


if __name__ == "__main__":
    main()
