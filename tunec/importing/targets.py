"""The keys of task.yaml that an import writes, in the order in which they are written.

The one place to change when the schema does: every importer writes through these names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TASK_NAME = "task_name"
TASK_TYPE = "task_type"
SYSTEM_PROMPT = "system_prompt"
INPUT_TEMPLATE = "input_template"
OUTPUT_TYPE = "output_format.type"
SOURCES = "data.sources"
SHARES = ("splits.ratios.train", "splits.ratios.dev", "splits.ratios.test")
BASE_MODEL = "training.base_model"
METHOD = "training.method"
ADAPTER = "training.adapter"
PROMPT = "training.prompt"
RANK = "training.lora.r"
ALPHA = "training.lora.alpha"
DROPOUT = "training.lora.dropout"
MODULES = "training.lora.target_modules"
EPOCHS = "training.epochs"
LEARNING_RATE = "training.learning_rate"
BATCH_SIZE = "training.batch_size"
SCHEDULER = "training.scheduler"
WARMUP = "training.warmup_ratio"
WEIGHT_DECAY = "training.weight_decay"
MAX_LENGTH = "training.max_length"
SEED = "training.seed"
METRICS = "evaluation.metrics"
MAX_NEW_TOKENS = "evaluation.max_new_tokens"
THRESHOLD = "success_criteria.threshold"
GATES = "success_criteria.gates"

ORDER = (
    *(TASK_NAME, TASK_TYPE, SYSTEM_PROMPT, INPUT_TEMPLATE, OUTPUT_TYPE),
    *(SOURCES, *SHARES),
    *(BASE_MODEL, METHOD, ADAPTER, PROMPT, RANK, ALPHA, DROPOUT, MODULES),
    *(EPOCHS, LEARNING_RATE, BATCH_SIZE, SCHEDULER, WARMUP, WEIGHT_DECAY, MAX_LENGTH, SEED),
    *(METRICS, MAX_NEW_TOKENS, THRESHOLD, GATES),
)
APART = (SYSTEM_PROMPT, "data", "splits", "training", "evaluation", "success_criteria")  # begin after an empty line
ON_ONE_LINE = ("training.lora", "splits.ratios")  # short mappings that read best as {r: 16, alpha: 32}

# What a source of data may say beside its path.
FORMAT, MAP, ROLE = "format", "map", "role"

# What the columns of a source are called that are no input: part -> column of the task.
COLUMNS = {"response": "output", "chosen": "chosen", "rejected": "rejected", "tag": "label"}

TEST_SHARE = 0.1  # of the rows, for neither project keeps any

SCHEDULERS = {
    "cosine": "cosine",
    "linear": "linear",
    "constant": "constant",
    "constant_with_warmup": "constant",
}
ALL_LINEAR = "all-linear"

# A task whose answers are free text: its type, and what of that type's preset does not fit a text.
TEXT_TASK: Mapping[str, Any] = {
    TASK_TYPE: "generation",
    OUTPUT_TYPE: "text",
}


def shares(dev: float) -> dict[str, Any]:
    """The keys that give this share of the rows to the dev split; the test split keeps what tunec gives it."""
    return dict(zip(SHARES, (round(1 - TEST_SHARE - dev, 6), dev, TEST_SHARE), strict=True))
