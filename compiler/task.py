"""The schema of task.yaml, after presets: every key, typed, with what it means. Unknown keys are refused.

A key without a default here gets its value from a preset in conf/ or must be written by the user.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field

from compiler.evaluating import Evaluation, Quantization, SuccessCriteria
from compiler.execution import Execution
from compiler.languages import TAG
from compiler.recipe import AUTO, After, Budget, DevChecks, Signals
from compiler.section import Later, Licence, Section, unit, unwritten
from compiler.sources import Data, Splits
from stages.facts import methods

if TYPE_CHECKING:
    from compiler.costs import Cost
    from compiler.generating import Generate
else:
    Cost = Annotated[Any, Later("compiler.costs", "Cost")]
    Generate = Annotated[Any, Later("compiler.generating", "Generate")]

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class OutputFormat(Section):
    """The contract of what comes out."""

    type: Literal["json", "label", "text", "tool_call"] = Field(
        description="json: a JSON value that fits `schema`; label: one of its enum; text: anything; tool_call: "
        '{"name": a tool, "arguments": what it takes}.'
    )
    schema_: dict[str, Any] | None = Field(
        default=None,
        alias="schema",
        description="JSON Schema (draft 2020-12), or the shorthand {field: {type, enum}} with every field required; "
        "of tool_call {tool: the schema of its arguments}.",
    )


class Lora(Section):
    """The low-rank adapter."""

    r: int = Field(ge=1, le=1024, description="Rank.", json_schema_extra=unit("dimensions") | AUTO)
    alpha: int = Field(
        ge=1, description="The update is scaled by alpha / r.", json_schema_extra=unit("dimensions") | AUTO
    )
    dropout: float = Field(
        ge=0,
        lt=1,
        description="Dropout on the adapter's input while training.",
        json_schema_extra=unit("share of inputs"),
    )
    target_modules: str = Field(description="all-linear, or names of modules, comma-separated: q_proj,v_proj.")
    rslora: bool = Field(default=False, description="Scale by alpha / sqrt(r), so that a high rank learns as fast.")
    dora: bool = Field(default=False, description="Learn direction and magnitude apart: nearer to full, and slower.")
    modules_to_save: list[str] = Field(
        default_factory=list, description="Modules that are trained whole beside the adapter, such as norm."
    )


class Training(Section):
    """How the base model is trained. A key that only some methods read is refused beside another."""

    base_model: str = Field(
        min_length=1, description="A preset of conf/base_model/, HUB/ID@COMMIT, a .gguf file or a transformers folder."
    )
    method: str = Field(
        description="sft (answers), dpo or orpo (rows with chosen and rejected), kto (answers, each with label true or "
        "false), grpo (own answers, rated by contract and metric) or cpt (continued pretraining on texts)."
    )
    adapter: Literal["lora", "qlora", "full"] = Field(
        description="lora: low-rank adapter, merged after training; qlora: the same on a base model in four bits; "
        "full: every weight."
    )
    prompt: Literal["contract", "system", "none"] = Field(
        description="What stands before the input, in training and in serving: contract (system prompt and the schema "
        "in words), system (the system prompt alone) or none.",
    )
    chat_template: str | None = Field(
        default=None,
        min_length=1,
        description="For a base model that has none: plain, chatml, or a Jinja file below the workspace. It goes into "
        "every file that is made of the model.",
    )
    lora: Lora
    epochs: float = Field(
        gt=0, le=100, description="Passes over the train split.", json_schema_extra=unit("passes") | AUTO
    )
    learning_rate: float = Field(
        gt=0, lt=1, description="Peak rate, reached after the warm-up.", json_schema_extra=unit("per step") | AUTO
    )
    batch_size: int = Field(ge=1, le=4096, description="Rows an optimizer step.", json_schema_extra=unit("rows"))
    micro_batch_size: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="sft, cpt, dpo: rows that are computed at once, for less memory; the gradients of a step's rows "
        "add up, so the step stays the same. Default: all of a step.",
        json_schema_extra=unit("rows"),
    )
    warmup_ratio: float = Field(
        ge=0,
        lt=1,
        description="Share of the steps in which the rate climbs.",
        json_schema_extra=unit("share of steps") | AUTO,
    )
    weight_decay: float = Field(
        ge=0,
        lt=1,
        description="Pull of the adapter's weights towards zero.",
        json_schema_extra=unit("share per step, times the rate"),
    )
    scheduler: Literal["cosine", "linear", "constant"] = Field(description="How the rate falls after the warm-up.")
    max_length: int = Field(
        ge=16,
        description="Tokens of prompt and answer together; a longer row stops the build.",
        json_schema_extra=unit("tokens"),
    )
    shared_prefix: Literal["auto", "on", "off"] | None = Field(
        default=None,
        description="Run what rows begin with alike once a step: the system prompt, a pair's prompt; not cpt.",
    )
    beta: float | None = Field(
        default=None,
        gt=0,
        le=10,
        description="dpo, kto: how near the model stays to what it was; orpo: how much preference weighs.",
    )
    generations: int | None = Field(
        default=None,
        ge=2,
        le=64,
        description="grpo: answers that are tried for every prompt.",
        json_schema_extra=unit("answers"),
    )
    max_new_tokens: int | None = Field(
        default=None, ge=1, description="grpo: tokens of such an answer, at most.", json_schema_extra=unit("tokens")
    )
    reward: str | None = Field(
        default=None, description="grpo: the metric that rates an answer; default: the primary metric."
    )
    seed: int = Field(ge=0, description="Another seed gives other initial weights and another order of rows.")
    dev: DevChecks = unwritten(DevChecks)
    budget: Budget = unwritten(Budget)
    rate_probe: int = Field(
        default=0,
        ge=0,
        le=10_000,
        json_schema_extra=unit("steps"),
        description="Steps of each of three short runs first, at a third of the rate, the rate and three times it; the "
        "one with the least dev loss is trained with. 0: none.",
    )
    gradient_checkpointing: Literal["auto", "on", "off"] = Field(
        default="auto", description="Compute activations twice instead of keeping them; auto: where memory asks for it."
    )
    deterministic: bool | None = Field(
        default=None,
        description="On a GPU, take the operations that give the same bytes each time; slower. A CPU does so anyway.",
    )
    liger: bool | None = Field(
        default=None, description="On a GPU, train with the kernels of the package liger-kernel."
    )
    signals: Signals = unwritten(Signals)
    after: After | None = Field(
        default=None, description="A training that is done first; `training: [FIRST, SECOND]` says the same."
    )


class Chat(Section):
    """What is known of a base model's chat template."""

    family: Literal["chatml", "llama3", "gemma", "mistral", "phi", "deepseek", "smollm3"] = Field(
        description="Whose marks it writes around a message."
    )
    system_role: bool = Field(description="Whether a system message keeps a place of its own.")
    thinking: Literal["none", "optional", "always"] = Field(
        description="Whether it opens a block of reasoning before an answer; optional ones are switched off."
    )


class BaseModelFiles(Section):
    """Where the base model's files are; usually a preset of conf/base_model/."""

    source: Literal["package", "gguf", "folder", "hub"] = Field(
        description="What holds the files: an installed package, a GGUF file, a folder or the Hub."
    )
    package: str | None = Field(default=None, description="Import name of the installed package that holds `file`.")
    file: str | None = Field(default=None, description="The GGUF file's path inside the package.")
    path: str | None = Field(default=None, description="A .gguf file or transformers folder below the workspace.")
    repo: str | None = Field(default=None, description="Hub id, such as HuggingFaceTB/SmolLM2-135M-Instruct.")
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$", description="A full commit of the repo.")
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$", description="What the one file must hash to.")
    license: str | None = Field(default=None, description="SPDX name in lower case.")
    context_length: int | None = Field(default=None, ge=1, description="Tokens.", json_schema_extra=unit("tokens"))
    parameters: int | None = Field(
        default=None, ge=1, description="How many weights.", json_schema_extra=unit("weights")
    )
    chat: Chat | None = Field(default=None, description="Facts of its chat template.")


class Versioning(Section):
    """How releases are named, kept and deployed. Read by `tunec release`; a stage sees nothing of it but `license`."""

    strategy: Literal["semantic", "date", "hybrid"] = Field(
        default="semantic", description="semantic: 2, 2.1; date: 2025-01-07; hybrid: 2-20250107."
    )
    naming: str = Field(
        default="{task}-v{n}",
        min_length=1,
        description="A release's name and git tag, of {task}, {n} and {date}; `{task}@v{n}` is GTO's form.",
    )
    retention: int = Field(
        default=3,
        ge=1,
        description="How many of the newest releases keep their files, beside every deployed one.",
        json_schema_extra=unit("releases"),
    )
    license: Licence | None = Field(
        default=None,
        description="SPDX name in lower case that releases are under; default: the strictest of the licences of base "
        "model and data.",
    )
    deploy_target: Literal["huggingface", "ollama", "api", "local", "remote"] = Field(
        default="local",
        description="Where `tunec release push` takes releases: huggingface or ollama; remote: DVC's remote, such as "
        "s3. Of api and local the command is printed that serves or asks them here.",
    )


class ExpertReview(Section):
    """Somebody who knows the field has looked at it, before it is let out: asked for in medicine, law, finance,
    employment and safety.
    """

    by: str = Field(min_length=1, max_length=200, description="Who reviewed it; stands in the model card.")
    on: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="The day of the review, such as 2026-01-31.")
    scope: str | None = Field(
        default=None,
        min_length=1,
        max_length=2000,
        description="What was looked at and what for, in a sentence or two; stands in the model card.",
    )


class Task(Section):
    """One narrow job for a small language model."""

    task_name: Name = Field(description="Lower case letters, digits, - and _; names the artifacts.")
    version: str | None = Field(default=None, description="Written into the package, for people.")
    task_type: str = Field(description="A preset of conf/task_type/: it brings metrics and gates.")
    domain: str | None = Field(default=None, description="The field of work; stands in the package, for people.")
    language: str | None = Field(
        default=None,
        pattern=TAG,
        description="BCP 47, such as en or zh-TW.",
    )
    goal: str | None = Field(default=None, description="What the model is for; opens the model card.")
    non_goals: str | None = Field(default=None, description="What it is not for; stands in the model card.")
    expert_review: ExpertReview | None = Field(default=None)
    system_prompt: str | None = Field(default=None, description="What the model is told before every input.")
    input_template: str = Field(
        min_length=1, description="The user's message, with {field} placeholders or simple Jinja."
    )
    output_format: OutputFormat
    data: Data
    splits: Splits = unwritten(Splits)
    generate: Generate | None = Field(default=None, description="Rows that a teacher writes, from train rows alone.")
    baselines: dict[str, Any] = Field(description="Which baselines run: NAME: true, false or its options.")
    base_model: BaseModelFiles = Field(description="Filled in from training.base_model.")
    training: Training
    quantization: Quantization
    evaluation: Evaluation = unwritten(Evaluation)
    success_criteria: SuccessCriteria
    cost: Cost | None = Field(default=None)
    execution: Execution = unwritten(Execution)
    versioning: Versioning = unwritten(Versioning)
    sweep: dict[str, list[Any]] | list[dict[str, Any]] | str = Field(
        default_factory=dict,
        description="Keys of `training` (or base_model, quantization) and the values to try: {training.lora.r: [8, "
        "16]}; or a list of points, or the name of a file in conf/sweep/. Every combination is a variant of one graph, "
        "in which what variants share is built once.",
    )


def shape(task: Task) -> str:
    """What a row of the sources says beside its input: answers, pairs, verdicts or texts. As the method wants it, but
    where a teacher makes the pairs."""
    method = methods().get(task.training.method)
    made = task.generate is not None and task.generate.pairs is not None
    return "answers" if method is None or (made and method.rows == "pairs") else str(method.rows)


def keys(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The dotted names of every key below a section that holds a value."""
    for name, field in section.model_fields.items():
        path = prefix + (field.alias or name)
        inner = next(iter(sections(field.annotation)), None)
        yield from keys(inner, f"{path}.") if inner else (path,)


def sections(annotation: Any) -> list[type[BaseModel]]:
    """The section classes that a type is made of."""
    if isinstance(annotation, Later):
        return [annotation.section]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in sections(part)]
