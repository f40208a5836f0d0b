"""The section `generate` of task.yaml: rows that a teacher writes, from train rows alone."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from compiler.section import Section, Tag, unit, unwritten

Url = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9_./~-]*)?$")]
Variable = Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]{0,63}$")]


class Endpoint(Section):
    """A model behind anything that speaks OpenAI's chat completions."""

    endpoint: Url = Field(description="Its address, http or https, up to and with /v1.")
    model: str = Field(min_length=1, description="Its name there.")
    key_env: Variable | None = Field(
        default=None, description="The environment variable with its key; the key itself stands in no file."
    )
    max_tokens: int = Field(
        default=1024, ge=1, le=100_000, json_schema_extra=unit("tokens"), description="Of one answer, at most."
    )
    timeout: float = Field(
        default=60, gt=0, le=3600, json_schema_extra=unit("seconds"), description="How long one answer may take."
    )
    retries: int = Field(
        default=4,
        ge=0,
        le=20,
        json_schema_extra=unit("times"),
        description="How often a request that failed is sent again, each time after a longer wait.",
    )
    requests_per_minute: float | None = Field(
        default=None, gt=0, json_schema_extra=unit("requests a minute"), description="At most; default: no limit."
    )


class Teacher(Endpoint):
    """The model that writes rows, behind anything that speaks OpenAI's chat completions."""

    temperature: float = Field(
        default=0.8, ge=0, le=2, json_schema_extra=unit("temperature"), description="How varied its rows are."
    )
    structured: Literal["off", "json_schema", "json_object"] = Field(
        default="off",
        description="Send the form of a row along, for an endpoint that holds to it: json_schema as OpenAI has it, "
        "json_object as llama-cpp-python has it.",
    )


class Pairs(Section):
    """Rows with a better and a worse answer, for dpo and orpo: a train row's own answer, and one of the teacher's."""

    answers: int = Field(
        default=4, ge=1, le=32, json_schema_extra=unit("answers"), description="Answers of the teacher to each input."
    )
    rows: int | None = Field(
        default=None, ge=1, json_schema_extra=unit("rows"), description="Train rows to use; default: all of them."
    )
    chosen: Literal["own", "best"] = Field(
        default="own",
        description="The better answer. own: the row's; best: whichever the judge gives most points, the row's among "
        "them. The worse one is the one with the fewest.",
    )
    margin: int = Field(
        default=3,
        ge=0,
        le=35,
        json_schema_extra=unit("of 35 points"),
        description="How far apart the two are at least, where the judge gave points to both.",
    )


class Wanted(Section):
    """How many rows of one kind are asked for, a request each."""

    tag: Tag = Field(
        description="The kind, which its rows carry as a tag: canonical, boundary, negative, adversarial, near-miss, "
        "production-like, style, schema-repair, or a word of your own."
    )
    count: int = Field(ge=1, le=1_000_000, json_schema_extra=unit("rows"), description="Rows to ask for.")
    difficulty: Literal["easy", "medium", "hard"] = Field(default="medium", description="How hard they are to be.")
    edge_case: str | None = Field(
        default=None, min_length=1, max_length=2000, description="What each is to be about, in words."
    )


class Prompts(Section):
    """Jinja files of the workspace, in the place of tunec's own."""

    rows: str | None = Field(
        default=None,
        min_length=1,
        description="Asks for a row, such as prompts/rows.jinja; docs/data.md has its words.",
    )
    answers: str | None = Field(
        default=None, min_length=1, description="Asks for the answer to an input, such as prompts/answers.jinja."
    )
    judge: str | None = Field(
        default=None, min_length=1, description="Asks for the scores of one, such as prompts/judge.jinja."
    )


class Bounds(Section):
    """What a row must be worth, scored from 1 to 5: realism, correctness, format, difficulty, diversity, learnability,
    safety.
    """

    total: int = Field(
        default=26, ge=7, le=35, json_schema_extra=unit("of 35 points"), description="What a row reaches at least."
    )
    least: dict[str, Annotated[int, Field(ge=1, le=5)]] = Field(
        default_factory=lambda: {"correctness": 4, "format": 5, "safety": 4},
        json_schema_extra=unit("of 5 points"),
        description="What a row reaches at least in single scores.",
    )


class Judge(Bounds):
    """Scores each row from 1 to 5: realism, correctness, format, difficulty, diversity, learnability, safety."""

    enabled: bool = Field(default=True, description="false: no row is scored.")
    endpoint: Url | None = Field(default=None, description="Default: the teacher's, with its key.")
    model: str | None = Field(default=None, min_length=1, description="Default: the teacher's.")
    key_env: Variable | None = Field(default=None, description="The variable with the key of `endpoint`.")


class Spending(Section):
    """The most that all requests may take together; answers of earlier builds count too."""

    requests: int | None = Field(
        default=None, ge=1, json_schema_extra=unit("requests"), description="Requests; default: as many as it takes."
    )
    tokens: int | None = Field(
        default=None, ge=1, json_schema_extra=unit("tokens"), description="Tokens of questions and answers."
    )


class RowJudge(Bounds, Endpoint):
    """A model that scores the rows which every other gate let through and which may be trained on. What is secret in
    a row is not sent, and no row that the data names dev, test, golden, adversarial or holdout is; where the data names
    no split, the rows that later become dev and test are looked at like all others.
    """

    budget: Spending = unwritten(Spending)
    prompt: str | None = Field(
        default=None,
        min_length=1,
        description="A Jinja file that asks for the scores, such as prompts/row_judge.jinja; default: tunec's own.",
    )


class Generate(Section):
    """What a teacher writes, from train rows alone: rows and answers. They pass the same gates, and a judge."""

    teacher: Teacher
    rows: list[Wanted] = Field(default_factory=list, max_length=500, description="New rows, kind by kind.")
    label: bool = Field(default=False, description="Rows of the sources that have no answer get one.")
    repair: bool = Field(
        default=False,
        description="Rows of the sources whose answer breaks the contract get another, the teacher told what is wrong.",
    )
    examples: int = Field(
        default=3,
        ge=0,
        le=50,
        json_schema_extra=unit("rows"),
        description="Train rows that it is shown beside an input that it is to answer.",
    )
    pairs: Pairs | None = Field(default=None, description="Pairs of a better and a worse answer, for dpo and orpo.")
    prompts: Prompts = unwritten(Prompts)
    judge: Judge = unwritten(Judge)
    budget: Spending = unwritten(Spending)
    seed: int = Field(default=0, ge=0, description="Another seed shows the teacher other train rows.")

    @property
    def judged_elsewhere(self) -> bool:
        """Whether another model than the teacher judges its rows, or one at another address."""
        teacher, judge = self.teacher, self.judge
        others = (judge.endpoint not in (None, teacher.endpoint), judge.model not in (None, teacher.model))
        return judge.enabled and any(others)
