"""No inert key: whatever task.yaml can say changes what is built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from compiler.execution import Execution
from compiler.task import Task, sections
from stages.runner import REPORT_TO
from tests.compiling import ROWS, compiled, refused
from tests.releasing.conftest import made, small  # noqa: F401 - fixtures
from tests.releasing.small import Small, copy
from tunec import building

MODEL, OTHER_MODEL = "models/one.gguf", "models/two.gguf"
LOOKED_FOR = ("prompts/a.jinja", "chat.jinja", MODEL, OTHER_MODEL)
FILES = (ROWS, "data/raw/more.jsonl", "data/general.jsonl", "data/decided.jsonl", *LOOKED_FOR)
COMMITS = ("0" * 40, "1" * 40)
TAUGHT = {
    "generate": {"teacher": {"endpoint": "http://127.0.0.1:8/v1", "model": "big"}, "rows": [{"tag": "a", "count": 1}]}
}
PAIRED: dict[str, Any] = TAUGHT | {"generate.pairs": {}, "training.method": "dpo"}
JUDGED = {
    "data.gates": {"judge": "reject"},
    "data.judge": {"endpoint": "http://127.0.0.1:8/v1", "model": "big", "least": {"safety": 4}},
}
REVIEWED = {"data.review": {"flags": ["pii"]}}
COMPARED = {
    "task_type": "rewriting",
    "output_format": {"type": "text"},
    "success_criteria": {"threshold": 0.3},
    "evaluation": {"judge": {"endpoint": "http://127.0.0.1:8/v1", "model": "big"}},
}
MIXED = {"data.general_mix": {"path": "data/general.jsonl"}}
CHAT = {"base_model.chat": {"family": "chatml", "system_role": True, "thinking": "none"}}
TEXT = {
    "task_name": "slots",
    "task_type": "extraction",
    "input_template": "{text}",
    "output_format": {"type": "json", "schema": {"people": {"type": "string"}}},
    "data": {"sources": [{"path": ROWS}], "quotas": [{"by": "tag", "value": "a", "min": 1.0}]},
    "training": {"base_model": MODEL},
    "evaluation": {"metrics": ["exact_match"]},
    "success_criteria": {"primary_metric": "exact_match", "threshold": 0.7},
}
FIRST = {"training.method": "dpo", "training.after": {"method": "sft"}}
OTHER_FIRST: dict[str, Any] = {
    "method": "orpo",
    "epochs": 2,
    "learning_rate": 3e-5,
    "batch_size": 2,
    "warmup_ratio": 0.5,
    "weight_decay": 0.5,
    "scheduler": "linear",
    "shared_prefix": "off",
    "dev.checks": 3,
    "dev.patience": 2,
    "dev.keep": "last",
    "budget.steps": 100,
    "budget.minutes": 1.5,
    "rate_probe": 20,
}
COST = {"cost": {"requests_per_month": 5.0, "teacher": {"rows": 9}}}
# Key -> another value than the one above, or than the preset's. Where a key means something only beside another one,
# both stand here: (what is changed beforehand, the other value).
OTHER: dict[str, Any] = {
    "task_name": "another",
    "version": "v2",
    "task_type": "structured",
    "domain": "travel",
    "language": "zh-TW",
    "goal": "Name the slots.",
    "expert_review.by": ({"expert_review": {"by": "A", "on": "2026-01-31"}}, "B"),
    "expert_review.on": ({"expert_review": {"by": "A", "on": "2026-01-31"}}, "2026-02-01"),
    "expert_review.scope": ({"expert_review": {"by": "A", "on": "2026-01-31"}}, "All rows."),
    "non_goals": "Dates.",
    "system_prompt": "Be brief.",
    "input_template": "Message: {text}",
    "output_format.type": (
        {"output_format.schema": {"enum": ["a"]}, "evaluation.metrics": [], "baselines.rule": False},
        "label",
    ),
    "output_format.schema": {"time": {"type": "string"}},
    "data.sources.path": "data/raw/more.jsonl",
    "data.sources.format": "csv",
    "data.sources.map": {"text": "utterance"},
    "data.sources.tags": ["web"],
    "data.sources.role": "test",
    "data.sources.license": "cc-by-4.0",
    "data.sources.encoding": "big5",
    "data.sources.shape": "columns",
    "data.sources.hub": f"a/b@{COMMITS[0]}",
    "data.output": "slots",
    "data.tags": "kinds",
    "data.gates": {"near": "off"},
    "data.dedupe.threshold": 0.9,
    "data.dedupe.semantic": 0.9,
    "data.dedupe.embedder": "models/words",
    "data.clusters.share": 0.4,
    "data.clusters.far": 0.1,
    "data.length.max_tokens": 100,
    "data.length.min_words": 2,
    "data.patterns": {"text": "a"},
    "data.pii.types": {"email": "redact"},
    "data.pii.regions": ["DE"],
    "data.licenses.column": "terms",
    "data.licenses.refuse": ["none"],
    "data.quotas.by": "label",
    "data.quotas.value": "b",
    "data.quotas.min": 5.0,
    "data.quotas.max": 9.0,
    "data.sources.weight": 2.0,
    "data.judge.endpoint": (JUDGED, "http://127.0.0.1:9/v1"),
    "data.judge.model": (JUDGED, "other"),
    "data.judge.key_env": (JUDGED, "JUDGE_KEY"),
    "data.judge.max_tokens": (JUDGED, 9),
    "data.judge.timeout": (JUDGED, 9.0),
    "data.judge.retries": (JUDGED, 9),
    "data.judge.requests_per_minute": (JUDGED, 9.0),
    "data.judge.total": (JUDGED, 30),
    "data.judge.least": (JUDGED, {"safety": 5}),
    "data.judge.budget.requests": (JUDGED, 9),
    "data.judge.budget.tokens": (JUDGED, 9),
    "data.judge.prompt": (JUDGED, "prompts/a.jinja"),
    "data.review.file": (REVIEWED, "data/decided.jsonl"),
    "data.review.flags": (REVIEWED, ["characters"]),
    "data.review.share": (REVIEWED, 0.5),
    "data.general_mix.path": (MIXED, "data/raw/more.jsonl"),
    "data.general_mix.share": (MIXED, 0.5),
    "generate.teacher.endpoint": (TAUGHT, "http://127.0.0.1:9/v1"),
    "generate.teacher.model": (TAUGHT, "other"),
    "generate.teacher.key_env": (TAUGHT, "TEACHER_KEY"),
    "generate.teacher.temperature": (TAUGHT, 0.5),
    "generate.teacher.max_tokens": (TAUGHT, 9),
    "generate.teacher.timeout": (TAUGHT, 9.0),
    "generate.teacher.retries": (TAUGHT, 9),
    "generate.teacher.requests_per_minute": (TAUGHT, 9.0),
    "generate.teacher.structured": (TAUGHT, "json_object"),
    "generate.rows.tag": (TAUGHT, "style"),
    "generate.rows.count": (TAUGHT, 2),
    "generate.rows.difficulty": (TAUGHT, "hard"),
    "generate.rows.edge_case": (TAUGHT, "midnight"),
    "generate.label": (TAUGHT, True),
    "generate.repair": (TAUGHT, True),
    "generate.examples": (TAUGHT | {"generate.label": True}, 9),
    "generate.pairs.answers": (PAIRED, 9),
    "generate.pairs.rows": (PAIRED, 9),
    "generate.pairs.chosen": (PAIRED, "best"),
    "generate.pairs.margin": (PAIRED, 9),
    "generate.prompts.answers": (TAUGHT | {"generate.label": True}, "prompts/a.jinja"),
    "generate.prompts.rows": (TAUGHT, "prompts/a.jinja"),
    "generate.prompts.judge": (TAUGHT, "prompts/a.jinja"),
    "generate.judge.enabled": (TAUGHT, False),
    "generate.judge.endpoint": (TAUGHT, "http://127.0.0.1:9/v1"),
    "generate.judge.model": (TAUGHT, "other"),
    "generate.judge.key_env": (TAUGHT, "JUDGE_KEY"),
    "generate.judge.total": (TAUGHT, 30),
    "generate.judge.least": (TAUGHT, {"safety": 5}),
    "generate.budget.requests": (TAUGHT, 9),
    "generate.budget.tokens": (TAUGHT, 9),
    "generate.seed": (TAUGHT, 9),
    "splits.ratios.dev": 0.1000001,
    "splits.ratios.test": 0.1000001,
    "splits.group_by": "customer",
    "splits.order_by": "day",
    "splits.leakage.action": "warn",
    "splits.leakage.contained": 0.9,
    "splits.stratify": False,
    "splits.seed": 1,
    "baselines": {"majority": False},
    "base_model.source": (
        {"training.base_model": "smollm2-135m", "base_model.repo": "a/b", "base_model.revision": COMMITS[0]},
        "hub",
    ),
    "base_model.package": ({"training.base_model": "smollm2-135m"}, "llm_other"),
    "base_model.file": ({"training.base_model": "smollm2-135m"}, "other.gguf"),
    "base_model.path": OTHER_MODEL,
    "base_model.repo": ({"training.base_model": f"a/b@{COMMITS[0]}"}, "a/c"),
    "base_model.revision": ({"training.base_model": f"a/b@{COMMITS[0]}"}, COMMITS[1]),
    "base_model.sha256": "0" * 64,
    "base_model.license": "mit",
    "base_model.context_length": 4096,
    "base_model.parameters": 1000,
    "base_model.chat.family": (CHAT, "phi"),
    "base_model.chat.system_role": (CHAT, False),
    "base_model.chat.thinking": (CHAT, "optional"),
    "training.base_model": OTHER_MODEL,
    "training.method": "orpo",
    "training.adapter": "full",
    "training.prompt": "none",
    "training.chat_template": "chat.jinja",
    "training.lora.r": 8,
    "training.lora.alpha": 64,
    "training.lora.dropout": 0.1,
    "training.lora.target_modules": "q_proj",
    "training.lora.rslora": True,
    "training.lora.dora": True,
    "training.lora.modules_to_save": ["norm"],
    "training.epochs": 1,
    "training.learning_rate": 1e-5,
    "training.batch_size": 2,
    "training.warmup_ratio": 0.5,
    "training.weight_decay": 0.5,
    "training.scheduler": "linear",
    "training.max_length": 64,
    "training.shared_prefix": "off",
    "training.micro_batch_size": 1,
    "training.beta": ({"training.method": "dpo"}, 0.5),
    "training.generations": ({"training.method": "grpo"}, 4),
    "training.max_new_tokens": ({"training.method": "grpo"}, 16),
    "training.reward": ({"training.method": "grpo"}, "slot_f1"),
    "training.seed": 1,
    "training.dev.checks": 3,
    "training.dev.patience": ({"training.dev.checks": 9}, 2),
    "training.dev.keep": "last",
    "training.budget.steps": 100,
    "training.budget.minutes": 1.5,
    "training.rate_probe": 20,
    "training.gradient_checkpointing": "on",
    "training.deterministic": True,
    "training.liger": True,
    "training.signals.suspects": 100,
    "training.signals.general": "data/raw/more.jsonl",
    **{f"training.after.{key}": (FIRST, other) for key, other in OTHER_FIRST.items()},
    "training.after.beta": ({"training.method": "dpo", "training.after": {"method": "dpo"}}, 0.5),
    "quantization.preset": "small",
    "quantization.formats": ["q8_0"],
    "quantization.max_drop": 0.5,
    "quantization.select": "smallest_within",
    "quantization.imatrix": 100,
    "quantization.divergence": 50,
    "evaluation.metrics": ["slot_f1"],
    "evaluation.confidence": 0.9,
    "evaluation.resamples": 500,
    "evaluation.max_new_tokens": 16,
    "evaluation.sequences": 2,
    "evaluation.decoding": "free",
    "evaluation.choose_by": ({"sweep": {"training.lora.r": [8, 16]}}, "best"),
    "evaluation.slices": ["text"],
    "evaluation.latency": True,
    "evaluation.attacks": 9,
    "evaluation.pairs": True,
    "evaluation.terms.critical_fields": ["people"],
    "evaluation.terms.unsafe_tools": ["transfer"],
    "evaluation.terms.harmless_label": "fine",
    "evaluation.terms.severity": {"fine": 2.0},
    "evaluation.terms.unanswerable": ["?"],
    "evaluation.terms.must_match": ["a"],
    "evaluation.terms.must_not_match": ["a"],
    "evaluation.terms.max_words": 9,
    "evaluation.judge.endpoint": (COMPARED, "http://127.0.0.1:9/v1"),
    "evaluation.judge.model": (COMPARED, "other"),
    "evaluation.judge.key_env": (COMPARED, "JUDGE_KEY"),
    "evaluation.judge.against": (COMPARED, "majority"),
    "evaluation.judge.rows": (COMPARED, 9),
    "evaluation.judge.criteria": (COMPARED, "It is short."),
    "evaluation.judge.max_tokens": (COMPARED, 9),
    "evaluation.judge.timeout": (COMPARED, 9.0),
    "evaluation.judge.requests_per_minute": (COMPARED, 9.0),
    "evaluation.judge.structured": (COMPARED, "json_object"),
    "success_criteria.primary_metric": "slot_f1",
    "success_criteria.threshold": 0.8,
    "success_criteria.baseline": "majority",
    "success_criteria.gates": {"schema_validity": 0.5},
    "success_criteria.decide_by": "point",
    "cost.requests_per_month": (COST, 6.0),
    "cost.months": (COST, 24),
    "cost.against": (COST, "vertex"),
    "cost.train_on": (COST, "own_gpu"),
    "cost.serve_on": (COST, "together"),
    "cost.hour": (COST, 0.5),
    "cost.hosting": (COST, "on_demand"),
    "cost.utilization": (COST, 0.25),
    "cost.input_tokens": (COST, 300.0),
    "cost.output_tokens": (COST, 30.0),
    "cost.seconds_per_request": (COST, 0.1),
    "cost.training_hours": (COST, 2.0),
    "cost.iterations": (COST, 2),
    "cost.teacher.rows": (COST, 100),
    "cost.teacher.provider": (COST, "bedrock"),
    "cost.teacher.judge": (TAUGHT | COST | {"generate.judge.model": "small"}, "bedrock"),
    "cost.judge.provider": (COMPARED | COST, "bedrock"),
    "cost.review.rows": (COST, 500),
    "cost.review.minutes": (COST, 0.5),
    "cost.engineering_hours": (COST, 40.0),
    "cost.maintenance_hours": (COST, 4.0),
    "cost.per_error": (COST, 0.01),
    "versioning.license": "mit",
    "versioning.deploy_target": "ollama",
    "sweep": {"training.lora.r": [8, 16]},
}
# Keys that no stage reads, but a command does: the command, and another value. What they change is what it prints.
CONSUMED: dict[str, tuple[tuple[str, ...], Any]] = {
    "versioning.strategy": (("release", "--dry-run"), "date"),
    "versioning.naming": (("release", "--dry-run"), "{task}@v{n}"),
    "versioning.retention": (("release", "--dry-run"), 1),
}
# Keys that nothing built depends on, and who reads them; each has a test of its own below, in tests/executing/ or in
# tests/face/test_cost.py.
ELSEWHERE = {
    "cost.data_may_leave": "tunec cost",
    "splits.ratios.train": "the check that the shares sum to 1",
    "execution.slots.gpus": "tunec build -j",
    "execution.slots.memory": "tunec build -j",
    **{f"execution.{key}": "tunec run" for key in Execution.model_fields if key not in ("slots", "report_to")},
    "execution.report_to": "tunec build",
}


def leaves(section: type[BaseModel] = Task, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key that holds no section, dotted, with its type."""
    for name, field in section.model_fields.items():
        path = prefix + (field.alias or name)
        inner = sections(field.annotation)
        if inner:
            yield from leaves(inner[0], f"{path}.")
        else:
            yield path, field.annotation


def with_value(task: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    first, _, rest = path.partition(".")
    if rest and first in ("sources", "quotas", "rows"):
        return {**task, first: [{**task[first][0], rest: value}]}
    return {**task, first: with_value(task.get(first, {}), rest, value) if rest else value}


def built(task: dict[str, Any]) -> tuple[str, str]:
    found = compiled(
        yaml.safe_dump(task, allow_unicode=True, sort_keys=False).replace("1.0e-05", "1e-5").replace("3.0e-05", "3e-5"),
        *FILES,
    )
    return found.dvc_yaml, found.params_yaml


@pytest.mark.parametrize("key", [key for key, _ in leaves() if key not in {*CONSUMED, *ELSEWHERE}])
def test_a_key_that_changes_changes_what_is_built(key: str) -> None:
    given = OTHER[key]
    before, other = given if isinstance(given, tuple) else ({}, given)
    task = TEXT
    for path, value in before.items():
        task = with_value(task, path, value)
    assert built(with_value(task, key, other)) != built(task)


@pytest.fixture(scope="module")
def said(made: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, ...], str]:  # noqa: F811
    """What each consumer says of the keys as they are."""
    workspace = copy(made, tmp_path_factory.mktemp("keys") / "w")
    return {command: workspace.tunec(*command).out for command, _ in CONSUMED.values()}


@pytest.mark.parametrize("key", CONSUMED)
def test_a_key_that_a_command_reads_changes_what_it_prints_and_nothing_that_is_built(
    key: str,
    said: dict[tuple[str, ...], str],
    small: Small,  # noqa: F811
) -> None:
    command, other = CONSUMED[key]
    assert built(with_value(TEXT, key, other)) == built(TEXT)
    task = yaml.safe_load((small.root / "task.yaml").read_text(encoding="utf-8"))
    (small.root / "task.yaml").write_text(
        yaml.safe_dump(with_value(task, key, other), sort_keys=False), encoding="utf-8"
    )
    small.commit()
    assert small.tunec(*command).out != said[command]


def test_the_tables_hold_every_key_and_no_other() -> None:
    assert {key for key, _ in leaves()} == OTHER.keys() | CONSUMED.keys() | ELSEWHERE.keys()


def test_who_is_told_of_training_steps_is_no_part_of_what_is_built(tmp_path: Path) -> None:
    assert built({**TEXT, "execution": {"report_to": ["tensorboard"]}}) == built(TEXT)
    building.report_to(tmp_path, ["tensorboard", "mlflow"])
    assert (tmp_path / REPORT_TO).read_text(encoding="utf-8").split() == ["tensorboard", "mlflow"]
    building.report_to(tmp_path, [])
    assert not (tmp_path / REPORT_TO).exists()


def test_the_share_of_train_is_what_the_others_leave() -> None:
    text = with_value(TEXT, "splits.ratios.train", 0.5)
    shares = compiled(yaml.safe_dump(text), *FILES).task.splits.ratios
    assert (shares.dev, shares.test) == (0.25, 0.25)
    whole = yaml.safe_dump(TEXT | {"splits": {"ratios": {"train": 0.5, "dev": 0.1, "test": 0.1}}})
    assert "T133" in {diagnostic.code for diagnostic in refused(whole, *FILES)}


def test_every_key_says_what_it_means() -> None:
    undescribed = [path for path, about in described() if not about]
    assert not undescribed


def described(section: type[BaseModel] = Task, prefix: str = "") -> Iterator[tuple[str, str | None]]:
    for name, field in section.model_fields.items():
        path = prefix + (field.alias or name)
        inner = sections(field.annotation)
        yield path, field.description or (inner[0].__doc__ if inner else None)
        for model in inner:
            yield from described(model, f"{path}.")
