"""The section `cost` of task.yaml: how often the task comes up, and where the model is trained and served.

What is left out is taken from the build where that measured it, and is a marked assumption otherwise: the tables of
assumptions stand in stages/bill.py. Prices stand in conf/prices/.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from compiler.section import Section, unit, unwritten

List = Annotated[str, Field(min_length=1, max_length=63)]


class Teacher(Section):
    """Answers that a larger model writes for training."""

    rows: int | None = Field(
        default=None, ge=0, json_schema_extra=unit("rows"), description="Rows that it writes; default: as it was asked."
    )
    provider: List | None = Field(
        default=None,
        description="The price list of conf/prices/ that it is paid by; default: that of `against`, an assumption.",
    )
    judge: List | None = Field(
        default=None,
        description="The price list that `generate.judge` is paid by, where that is another model or at another "
        "address; default: that of `against`, an assumption.",
    )


class Judging(Section):
    """Verdicts of `evaluation.judge`."""

    provider: List | None = Field(
        default=None,
        description="The price list of conf/prices/ that it is paid by; default: that of `against`, an assumption.",
    )


class Review(Section):
    """Rows that a person reads before they are trained on."""

    rows: int | None = Field(
        default=None, ge=0, json_schema_extra=unit("rows"), description="Default: 100, an assumption."
    )
    minutes: float | None = Field(
        default=None, ge=0, json_schema_extra=unit("minutes"), description="Of a row; default: 1, an assumption."
    )


class Cost(Section):
    """What the model costs, and what it saves against prompting a large one: read by `tunec cost`, the gate
    cost_per_1000, the report and `tunec sweep --plan`. Nothing that is trained or measured depends on it.
    """

    requests_per_month: float | None = Field(
        default=None,
        ge=0,
        json_schema_extra=unit("requests"),
        description="How often the task comes up; default: 100,000, an assumption.",
    )
    months: int = Field(
        default=12, ge=1, le=120, json_schema_extra=unit("months"), description="Months over which the return is told."
    )
    against: List = Field(
        default="openai",
        description="The price list of conf/prices/ of the large model that would be prompted instead.",
    )
    train_on: List = Field(default="own_cpu", description="The price list of where the model is trained.")
    serve_on: List = Field(default="own_cpu", description="The price list of where it answers.")
    hour: float | None = Field(
        default=None,
        ge=0,
        json_schema_extra=unit("of the price lists' currency an hour"),
        description="What an hour of your own machine costs, in place of the lists own_cpu and own_gpu.",
    )
    hosting: Literal["always", "on_demand"] = Field(
        default="always",
        description="always: whole machines, day and night; on_demand: the hours that answering takes.",
    )
    utilization: float | None = Field(
        default=None,
        gt=0,
        le=1,
        json_schema_extra=unit("share of a machine's time"),
        description="How much of it answering may fill, so that no request waits long; default: 0.5, an assumption.",
    )
    input_tokens: float | None = Field(
        default=None,
        ge=0,
        json_schema_extra=unit("tokens"),
        description="Of a prompt to the large model; default: about, from the contract and the test rows.",
    )
    output_tokens: float | None = Field(
        default=None,
        ge=0,
        json_schema_extra=unit("tokens"),
        description="Of an answer; default: as measured on the test rows.",
    )
    seconds_per_request: float | None = Field(
        default=None,
        gt=0,
        json_schema_extra=unit("seconds"),
        description="Of an answer where it is served; default: as measured on the building machine.",
    )
    training_hours: float | None = Field(
        default=None,
        ge=0,
        json_schema_extra=unit("hours"),
        description="Of one training; default: what the last one took here, which `tunec cost` alone knows.",
    )
    iterations: int | None = Field(
        default=None,
        ge=1,
        json_schema_extra=unit("builds"),
        description="Rounds of training and measuring until the model is right; default: 3, an assumption.",
    )
    teacher: Teacher = unwritten(Teacher)
    judge: Judging = unwritten(Judging)
    review: Review = unwritten(Review)
    engineering_hours: float | None = Field(
        default=None, ge=0, json_schema_extra=unit("hours"), description="To a release; default: 8, an assumption."
    )
    maintenance_hours: float | None = Field(
        default=None, ge=0, json_schema_extra=unit("hours"), description="A month; default: 1, an assumption."
    )
    per_error: float | None = Field(
        default=None,
        ge=0,
        json_schema_extra=unit("of the price lists' currency"),
        description="What a wrong answer costs; counted where the quality of both models was measured.",
    )
    data_may_leave: bool | None = Field(
        default=None,
        description="false: `tunec cost` marks every provider that rows or requests would go to, and "
        "`tunec export-data` warns. Where it is not said, `tunec advise` takes the answer that `tunec coach` kept, or "
        "asks.",
    )
