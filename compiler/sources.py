"""The sections `data` and `splits` of task.yaml: where rows come from, what they must get past, how they are parted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from compiler.mixing import GeneralMix
from compiler.recipe import AUTO
from compiler.reviewing import Review
from compiler.section import Later, Licence, Section, Tag, unit, unwritten

if TYPE_CHECKING:
    from compiler.generating import RowJudge
else:
    RowJudge = Annotated[Any, Later("compiler.generating", "RowJudge")]

# What rows that `tunec repair` brought say of themselves, cluster and parent; no placeholder can hold a hyphen, so no
# field of a task is called so. Their source has the round's own tag.
REPAIRED = ("repair-cluster", "repair-parent")
REPAIR_TAG = re.compile(r"repair-\d+")
Share = Annotated[float, Field(ge=0, le=1)]
Action = Literal["reject", "redact", "warn", "off"]


class Source(Section):
    """One file, or one pattern of files, that rows come from."""

    path: str = Field(
        min_length=1, description="A file below the workspace, or of the data set `hub`; `*` matches within a folder."
    )
    format: Literal["auto", "jsonl", "json", "csv", "tsv", "parquet", "arrow", "xlsx", "text"] = Field(
        default="auto",
        description="auto: by the file's ending; .gz, .bz2, .xz and .zst are unpacked. text: paragraphs for cpt.",
    )
    encoding: str = Field(
        default="auto",
        min_length=1,
        description="Of a text file: auto is UTF-8, with a byte order mark or without; or a name such as big5, utf-16.",
    )
    shape: Literal["auto", "columns", "messages", "sharegpt", "alpaca", "prompt"] = Field(
        default="auto",
        description="What a row looks like; auto: as it shows. Conversations, instructions and prompts become the "
        "columns prompt, output, history and system.",
    )
    hub: str | None = Field(
        default=None, description="A data set on the Hub, pinned: OWNER/NAME@COMMIT, of 40 hexadecimal digits."
    )
    map: dict[str, str] = Field(
        default_factory=dict, description="New name of a column: {text: utterance} reads `utterance` as `text`."
    )
    tags: list[Tag] = Field(
        default_factory=list, description="Words that its rows carry, for `evaluation.slices: [tags]` and quotas."
    )
    role: Literal["train", "dev", "test", "golden", "adversarial", "holdout"] | None = Field(
        default=None,
        description="Puts all its rows into this split; where every row is put into one and none into dev (or test), "
        "that is drawn from train. golden: rows that a release must get right; adversarial: rows that try to break "
        "it; holdout: rows kept apart for people. None of these three is trained on, chosen by, or part of test.",
    )
    license: Licence | None = Field(
        default=None, description="SPDX name in lower case that its rows are under; stands in card and release."
    )
    weight: float = Field(
        default=1,
        gt=0,
        le=100,
        json_schema_extra=unit("times"),
        description="How often each of its train rows is trained on in a pass; below 1, that share of them, by a hash.",
    )


class Dedupe(Section):
    """When two rows say the same."""

    threshold: float = Field(
        json_schema_extra=unit("share of trigrams"),
        default=0.8,
        gt=0,
        le=1,
        description="Share of word trigrams that two inputs have in common (Jaccard) from which on they are alike.",
    )
    semantic: float = Field(
        json_schema_extra=unit("cosine"),
        default=0.95,
        gt=0,
        le=1,
        description="Cosine of two embeddings from which on they say the same, for the gate `semantic`.",
    )
    embedder: str | None = Field(
        default=None,
        min_length=1,
        description="A folder of the workspace with a model2vec model, for the gates semantic and clusters, "
        "which are off by themselves.",
    )


class Clusters(Section):
    """What the rows are about, by their embeddings, for the gate `clusters`."""

    share: float = Field(
        json_schema_extra=unit("share of rows"),
        default=0.5,
        gt=0,
        le=1,
        description="Share of the rows to train on that may be about one thing.",
    )
    far: float = Field(
        json_schema_extra=unit("cosine"),
        default=0.2,
        ge=0,
        le=1,
        description="Cosine to the middle of every cluster below which a row is about what no other is.",
    )


class Length(Section):
    """How long a row may be."""

    max_tokens: int = Field(
        json_schema_extra=unit("tokens"),
        default=32_768,
        ge=1,
        description="Tokens of input and answer, about: bytes / 4. The training counts again.",
    )
    min_words: int = Field(
        json_schema_extra=unit("words"), default=0, ge=0, description="Words that an input has at least."
    )


class Pii(Section):
    """Personal data and secrets. What is found is counted by kind; its text stands in no report, log or message."""

    types: dict[str, Action] = Field(
        default_factory=dict, description="What is done about a kind, where not as the gates pii and secrets say."
    )
    regions: list[Annotated[str, Field(pattern="^[A-Z]{2}$")]] = Field(
        default_factory=lambda: ["US", "GB", "TW", "CN"],
        description="Countries (ISO 3166) whose phone numbers are known without +.",
    )


class Licenses(Section):
    """Rows that say under which licence they stand."""

    column: str | None = Field(
        default=None, min_length=1, description="Default: license or licence, where there is one."
    )
    refuse: list[str] = Field(
        default_factory=list, description="Licences to reject, case aside: [cc-by-nc*, none]; none is an empty cell."
    )


class Quota(Section):
    """How many rows of a kind there are to be, among those that may be trained on."""

    by: str = Field(min_length=1, description="tag, label, language, license, or a column.")
    value: str = Field(description="Which tag, label or value.")
    min: float | None = Field(
        json_schema_extra=unit("rows, or a share"),
        default=None,
        ge=0,
        description="Rows at least; below 1, a share of all.",
    )
    max: float | None = Field(
        json_schema_extra=unit("rows, or a share"),
        default=None,
        ge=0,
        description="Rows at most; below 1, a share of all.",
    )


class Data(Section):
    """Where rows come from, and what they must get past to be trained on."""

    sources: list[Source] = Field(
        min_length=1, max_length=100, description="Files to read; default: everything in data/raw/ that tunec can read."
    )
    output: str | None = Field(
        default=None,
        description="The answer's column; default: the first of output, label, answer, or the schema's own fields.",
    )
    tags: str | None = Field(
        default=None, min_length=1, description="A column of tags, a list or with commas, beside those of the source."
    )
    gates: dict[str, Action] = Field(
        default_factory=dict,
        description="What a gate does: NAME: reject, warn or off; pii and secrets also redact. See docs/data.md.",
    )
    dedupe: Dedupe = unwritten(Dedupe)
    clusters: Clusters = unwritten(Clusters)
    length: Length = unwritten(Length)
    patterns: dict[str, str] = Field(
        default_factory=dict,
        description="Column: a regular expression that must be found in it; behind `!`, one that must not.",
    )
    pii: Pii = unwritten(Pii)
    licenses: Licenses = unwritten(Licenses)
    quotas: list[Quota] = Field(
        default_factory=list,
        max_length=200,
        description="What there is to be of each kind; the report says what lacks.",
    )
    judge: RowJudge | None = Field(
        default=None,
        description="A model that scores rows, for the gate `judge`, which is off by itself. Rows that the data names "
        "dev, test, golden, adversarial or holdout are not sent; where it names no split, those that later become dev "
        "and test are looked at like all others.",
    )
    review: Review | None = Field(default=None, description="Rows that wait for a person, by the gate `review`.")
    general_mix: GeneralMix | None = Field(
        default=None, description="Rows of other work beside the task's, so that the model does not forget it."
    )


class Ratios(Section):
    """Shares of the rows that name no split; they sum to 1. A split that the data names takes no share.

    auto: 0.8, 0.1 and 0.1; of fewer than 1,000 rows 0.7, 0.15 and 0.15; and beside written ones, what they leave.
    """

    train: Share = Field(
        json_schema_extra=unit("share of rows") | AUTO, default=0.8, description="Share of the rows to learn from."
    )
    dev: Share = Field(
        json_schema_extra=unit("share of rows") | AUTO,
        default=0.1,
        description="Share to choose by; of the train rows where the others are named.",
    )
    test: Share = Field(
        json_schema_extra=unit("share of rows") | AUTO,
        default=0.1,
        description="Share to decide by; write 0 where the data names its test rows.",
    )


class Leakage(Section):
    """Train rows that say what a row of dev, test, golden, adversarial or holdout says."""

    action: Literal["reject", "warn", "off"] = Field(
        default="reject",
        description="reject: taken out of the train split, and listed; warn: listed; off: not looked for.",
    )
    contained: float = Field(
        json_schema_extra=unit("share of sequences"),
        default=0.8,
        gt=0,
        le=1,
        description="Share of another split's row, in sequences of eight words, from which on a train row holds it.",
    )


class Splits(Section):
    """How rows are parted. An official split column is respected; shares apply to what it leaves open."""

    ratios: Ratios = unwritten(Ratios)
    stratify: bool = Field(
        default=True, description="Keep the shares of labels alike in all splits, where rows have a label."
    )
    group_by: str | None = Field(
        default=None,
        min_length=1,
        description="A column, such as a customer or document: rows of one value stay on one side, and shares are met "
        "as nearly as whole groups can. Groups are not stratified.",
    )
    order_by: str | None = Field(
        default=None,
        min_length=1,
        description="A column of times: the latest rows are test, those before them dev. Texts such as 2026-11-21 are "
        "compared as they stand.",
    )
    leakage: Leakage = unwritten(Leakage)
    seed: int = Field(default=0, ge=0, description="Another seed parts the rows otherwise.")


def settled(data: dict[str, Any]) -> None:
    """Lists and mappings whose order says nothing, in one order; gates that are off are text for DVC."""
    data["gates"] = dict(sorted(data["gates"].items()))
    data["pii"]["types"] = dict(sorted(data["pii"]["types"].items()))
    data["pii"]["regions"] = sorted(data["pii"]["regions"])
    data["licenses"]["refuse"] = sorted(data["licenses"]["refuse"])
