"""The sections of task.yaml that say how models are shrunk, asked, judged and let out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from compiler.section import Later, Section, unit

if TYPE_CHECKING:
    from compiler.preferring import Preferring
else:
    Preferring = Annotated[Any, Later("compiler.preferring", "Preferring")]

Pattern = Annotated[str, Field(min_length=1, max_length=1000)]


class Quantization(Section):
    """What the trained model is shrunk to."""

    preset: str = Field(
        description="A preset of conf/quantization/, for what is not written here of formats, max_drop and imatrix: "
        "balanced, small, precise, all or none. `quantization: small` is short for it."
    )
    formats: list[str] = Field(description="llama.cpp's names, such as q8_0, q5_k_m, q4_k_m; f16 is always built.")
    max_drop: float = Field(
        ge=0,
        le=1,
        description="How much of the primary metric on dev a smaller file may lose against f16.",
        json_schema_extra=unit("of the primary metric"),
    )
    select: Literal["by_value", "smallest_within", "best"] = Field(
        default="by_value",
        description="by_value: the smallest file that drops by at most `max_drop`; smallest_within: the smallest of "
        "which the dev rows surely show that, at `evaluation.confidence`; best: the highest value.",
    )
    imatrix: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Train rows that tell which weights matter most (llama.cpp's importance matrix); 0: none. Needed "
        "by formats below q3; 100 to 300 rows are usual.",
        json_schema_extra=unit("rows"),
    )
    divergence: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Dev rows on which each quantized file is held against f16 token by token (KL divergence, top-1 "
        "agreement); 0: none.",
        json_schema_extra=unit("rows"),
    )


class Terms(Section):
    """What matters more than the rest in the answers of this task. Metrics of the same names read it."""

    critical_fields: list[str] = Field(
        default_factory=list, description="Fields that must be right, for the metric and gate critical_fields."
    )
    unsafe_tools: list[str] = Field(
        default_factory=list, description="Tools that do harm where they are not asked for, for unsafe_calls."
    )
    harmless_label: str | None = Field(
        default=None, min_length=1, description="The label of what breaks no rule; default: one called none, ok, safe …"
    )
    severity: dict[str, Annotated[float, Field(ge=0, le=1000)]] = Field(
        default_factory=dict, description="How much a violation weighs in severity_recall, by label; 1 where not named."
    )
    unanswerable: list[str] = Field(
        default_factory=lambda: ["unanswerable", "no answer", "I don't know", "不知道", "無法回答", "无法回答"],
        description="Answers that say that there is none, for hallucination_rate; an empty answer says so too.",
    )
    must_match: list[Pattern] = Field(
        default_factory=list, description="Regular expressions that every answer must match, for constraint_pass."
    )
    must_not_match: list[Pattern] = Field(
        default_factory=list, description="Regular expressions that no answer may match, for constraint_pass."
    )
    max_words: int | None = Field(
        default=None,
        ge=1,
        description="Words that an answer may have, for constraint_pass; in Chinese, characters.",
        json_schema_extra=unit("words"),
    )


class Evaluation(Section):
    """How models are asked and judged."""

    metrics: list[str] = Field(
        default_factory=list, description="Metrics beside the primary one; `python:FILE.py:FUNCTION` for one's own."
    )
    confidence: float = Field(
        default=0.95,
        gt=0.5,
        lt=1,
        description="Of intervals (two-sided) and of gates (one-sided).",
        json_schema_extra=unit("probability"),
    )
    resamples: int = Field(
        default=1000,
        ge=100,
        le=100_000,
        description="Bootstrap resamples behind an interval.",
        json_schema_extra=unit("resamples"),
    )
    max_new_tokens: int = Field(
        default=128, ge=1, description="An answer is cut after this many tokens.", json_schema_extra=unit("tokens")
    )
    sequences: int = Field(
        default=16,
        ge=1,
        le=64,
        description="Rows that llama.cpp decodes together; by likelihood 16 at most.",
        json_schema_extra=unit("rows"),
    )
    decoding: Literal["auto", "constrained", "free", "likelihood"] = Field(
        default="auto",
        description="constrained: llama.cpp writes only what the contract allows; free: anything; likelihood: of "
        "a label contract, the likeliest label, with its probability; auto: constrained wherever the "
        "contract has a schema.",
    )
    choose_by: Literal["one_standard_error", "best"] = Field(
        default="one_standard_error",
        description="Of a sweep. one_standard_error: the smallest file of a variant whose f16 is, on dev, within one "
        "standard error of the best one's; best: the best variant's.",
    )
    slices: list[str] = Field(
        default_factory=list,
        description="Parts of the test split to report apart: columns that go in, `tags` (of sources or rows), "
        "`length`, `script` (with blanks between words or without) or `language` (by its letters: Latin, Han …).",
    )
    latency: bool = Field(
        default=False,
        description="Time each answer of the chosen file, one row at a time: p50, p95 and peak memory; and list the "
        "rows that it answers otherwise when several are decoded together. Asks the test split once more.",
    )
    pairs: bool = Field(
        default=False,
        description="Ask models how likely they find the right and the rejected answer of a row, for pair_accuracy and "
        "reward_margin.",
    )
    attacks: int = Field(
        default=45,
        ge=0,
        le=10_000,
        description="Hostile inputs that the chosen file is asked, at most: tunec makes them of test rows, 15 kinds of "
        "injection and of what tempts out of the contract's form. For the gates attack_validity, attack_stability and "
        "attack_success; 0: none.",
        json_schema_extra=unit("inputs"),
    )
    terms: Terms | None = Field(default=None)
    judge: Preferring | None = Field(default=None)


class SuccessCriteria(Section):
    """What a model must reach to be shipped."""

    primary_metric: str = Field(min_length=1, description="The metric that selects and decides.")
    threshold: float = Field(
        description="The least value of the primary metric on the test split.",
        json_schema_extra=unit("of the primary metric"),
    )
    baseline: str | None = Field(
        default=None, description="The one baseline that beats_baselines looks at; default: every one that runs."
    )
    gates: dict[str, float | bool] = Field(
        default_factory=dict, description="Bounds of further gates; false switches one off."
    )
    decide_by: Literal["bound", "point"] = Field(
        default="bound",
        description="bound: a gate passes by what is sure at `evaluation.confidence`; point: by the value.",
    )
