"""The section `evaluation.judge` of task.yaml: a model that says which of two answers is better."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from compiler.generating import Url, Variable
from compiler.section import Section, unit


class Preferring(Section):
    """A model that says which of two answers is better: the chosen file's, or another one. It measures `preference`."""

    endpoint: Url = Field(description="Its address, http or https, up to and with /v1.")
    model: str = Field(min_length=1, description="Its name there.")
    key_env: Variable | None = Field(
        default=None, description="The environment variable with its key; the key itself stands in no file."
    )
    against: str = Field(
        default="reference", min_length=1, description="What the other answer is: the row's own, or a baseline's."
    )
    rows: int = Field(
        default=200,
        ge=1,
        le=100_000,
        json_schema_extra=unit("rows"),
        description="Test rows to ask of, at most; two questions each, with the answers' places swapped.",
    )
    criteria: str | None = Field(
        default=None, min_length=1, max_length=4000, description="What makes an answer better, in words."
    )
    max_tokens: int = Field(
        default=1024, ge=1, le=100_000, json_schema_extra=unit("tokens"), description="Of one verdict, at most."
    )
    timeout: float = Field(
        default=60, gt=0, le=3600, json_schema_extra=unit("seconds"), description="How long one verdict may take."
    )
    requests_per_minute: float | None = Field(
        default=None, gt=0, json_schema_extra=unit("requests a minute"), description="At most; default: no limit."
    )
    structured: Literal["off", "json_schema", "json_object"] = Field(
        default="off",
        description="Send the form of a verdict along, for an endpoint that holds to it: json_schema as OpenAI has it, "
        "json_object as llama-cpp-python has it.",
    )
