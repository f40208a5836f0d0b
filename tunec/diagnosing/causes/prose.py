"""Answers with words around what is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from stages.making import Source
from stages.readers import read
from tunec.diagnosing.build import Build
from tunec.diagnosing.cause import Cause, Sign, strength

_OPENING = re.compile(
    r"\s*(sure\b|certainly\b|of course\b|here (is|are)\b|the answer is\b|as an ai\b|好的|當然|当然|以下是|答案是)",
    re.IGNORECASE,
)
_LOOKED_AT = 300  # rejected rows
_JSON = re.compile(r"[{\[].*[}\]]", re.DOTALL)


def look(build: Build) -> Iterator[Sign]:
    yield from _rejected(build)
    answers = build.answers("tuned")
    talk = sum(wrapped(one.free, build) for one in answers if one.free_valid is False)
    figure = f"{talk} of {len(answers)} dev answers of the tuned weights hold the answer with words around it"
    yield Sign(figure, strength(talk / max(1, len(answers)), 0.03, 0.2))
    if build.contract.type == "text":
        train, dev = (_chatty(rows) for rows in (build.train, build.dev))
        figure = f"{train:.0%} of the train answers begin with a phrase such as `Here is`, {dev:.0%} of the dev answers"
        yield Sign(figure, strength(train - dev, 0.03, 0.2))


def _rejected(build: Build) -> Iterator[Sign]:
    """Rows that the contract turned away although the answer is in them."""
    turned = [one for one in build.rejected if one["gate"] in ("contract", "row")]
    looked, many = _records(build, turned[:: max(1, len(turned) // _LOOKED_AT)][:_LOOKED_AT]), len(turned)
    if not looked:
        return
    share = sum(any(wrapped(value, build) for value in one) for one in looked) / len(looked)
    rows = round(share * many)
    figure = f"{rows:,} of {build.data['read']:,} rows were left out with words around the answer"
    yield Sign(figure, strength(rows / max(1, build.data["read"]), 0.02, 0.15))


def _records(build: Build, wanted: list[dict[str, Any]]) -> list[list[str]]:
    """The texts of these rows as their files have them; what cannot be read any more is left out."""
    lines: dict[str, set[int]] = {}
    for one in wanted:
        lines.setdefault(str(one["file"]), set()).add(int(one["line"]))
    sources = [Source(**given) for given in build.compiled.plan["data"].params["sources"]]
    found = []
    for source in sources:
        for file in source.files:
            last = max(lines.get(file, {0}))
            if last and (build.root / file).is_file():
                records = islice(read(build.root / file, source.format, source.encoding), 1_000_000)
                kept = (one.fields for one in records if one.line in lines[file] and one.fields)
                found += [[value for value in fields.values() if isinstance(value, str)] for fields in kept]
    return found


def wrapped(text: str, build: Build) -> bool:
    """Whether a text holds an answer of the contract, and more than it."""
    contract, bare = build.contract, text.strip()
    if not bare or contract.valid(bare):
        return False
    if contract.type == "json":
        inner = _JSON.search(bare)
        return inner is not None and inner.group() != bare and contract.valid(inner.group()) and inner.start() > 0
    if contract.type == "label":
        said = [label for label in contract.labels if re.search(rf"(?<!\w){re.escape(label)}(?!\w)", bare)]
        return len(said) == 1 and not bare.startswith(said[0])
    return _OPENING.match(bare) is not None


def _chatty(rows: Any) -> float:
    return sum(_OPENING.match(str(row.output)) is not None for row in rows) / max(1, len(rows))


def experiment(build: Build) -> str:
    return "the same rows with the answer alone: are fewer left out, and are answers valid without a grammar?"


CAUSE = Cause(
    "prose",
    "answers stand among words",
    look,
    experiment,
    "cut the train answers down to what the contract asks for; add rows that answer with the schema alone",
    before=6,
    command="tunec data show contract",
)
