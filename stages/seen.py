"""A row as the gates look at it, and what task.yaml lets them know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field

from stages.base import Key, Params
from stages.contract import Contract
from stages.likeness import said, words
from stages.personal import find
from stages.rows import Row


class Settings(Params):
    """What the gates of rows are told. Keys that a gate alone reads have its name."""

    gates: Annotated[dict[str, str], Key("data.gates")] = Field(default_factory=dict)
    threshold: Annotated[float, Key("data.dedupe.threshold")] = 0.8
    semantic: Annotated[float, Key("data.dedupe.semantic")] = 0.95
    embedder: Annotated[str | None, Key("data.dedupe.embedder")] = None
    cluster_share: Annotated[float, Key("data.clusters.share")] = 0.5
    cluster_far: Annotated[float, Key("data.clusters.far")] = 0.2
    max_tokens: Annotated[int, Key("data.length.max_tokens")] = 32_768
    min_words: Annotated[int, Key("data.length.min_words")] = 0
    patterns: Annotated[dict[str, str], Key("data.patterns")] = Field(default_factory=dict)
    pii_types: Annotated[dict[str, str], Key("data.pii.types")] = Field(default_factory=dict)
    regions: Annotated[tuple[str, ...], Key("data.pii.regions")] = ()
    license_column: Annotated[str | None, Key("data.licenses.column")] = None
    refused_licenses: Annotated[tuple[str, ...], Key("data.licenses.refuse")] = ()
    quotas: Annotated[tuple[dict[str, Any], ...], Key("data.quotas")] = ()


@dataclass(frozen=True)
class Seen:
    """One row that fits the contract. fields: its columns, under the names that `map` gives them."""

    row: Row
    fields: Mapping[str, Any]
    contract: Contract
    regions: tuple[str, ...] = ()

    @cached_property
    def personal(self) -> frozenset[str]:
        """The kinds of personal data and secrets in it."""
        return frozenset(kind for kind, _, _ in find(self.everything, self.regions))

    @cached_property
    def text(self) -> str:
        """What goes in; of a plain text, all of it."""
        return self.row.text if self.row.text is not None else said(self.row.input)

    @cached_property
    def words(self) -> list[str]:
        return words(self.text)

    @cached_property
    def answer(self) -> str:
        """What comes out, as a text; empty where the row names no right answer."""
        return self.contract.spell(self.row.output) if self.row.output is not None else ""

    @cached_property
    def everything(self) -> str:
        """All that a model would read of the row."""
        worse = said(self.row.rejected) if self.row.rejected is not None else ""
        return f"{self.text}\n{said(self.row.output)}\n{worse}"
