"""The task type that rows show, and whether they leave a doubt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tunec.observing.columns import Columns
from tunec.observing.contracts import Shown

_HARMLESS = {"none", "ok", "safe", "no_violation", "compliant", "allowed", "合規", "無違規", "正常", "安全"}
_LOOKED = 500
_LONG, _LONG_CHINESE = 250, 100  # characters of what is worth to be shortened


class Kind(NamedTuple):
    """why: a word of the words files. sure: nothing else would come to mind."""

    task_type: str
    why: str
    sure: bool


def kind(seen: Columns, contract: Shown, inputs: Sequence[str], answers: Sequence[Any], copied: float) -> Kind | None:
    """None where no row has an answer."""
    if contract.type is None:
        return None
    if seen.shape in ("pairs", "verdicts"):
        return Kind("generation", seen.shape, True)
    if contract.type == "tool_call" or seen.answer in ("call", "calls"):
        return Kind("tool_calling", "calls", True)
    if contract.type == "label":
        return _labels(seen, contract)
    if contract.type == "json":
        return _json(seen, contract, copied)
    return _texts(seen, inputs, answers)


def _labels(seen: Columns, contract: Shown) -> Kind:
    known = {label.lower() for label in contract.labels or {}}
    if known & _HARMLESS and len(known) > 1:
        return Kind("policy", "labels_of_rules", False)
    asked = "question" in seen.inputs
    return Kind("classification", "labels", not asked)


def _json(seen: Columns, contract: Shown, copied: float) -> Kind:
    schema = contract.schema or {}
    fields = schema.get("properties", {})
    if {"question", "context"} <= set(seen.inputs):
        return Kind("qa", "question", True)
    if seen.answer in ("steps", "plan") or {"steps", "plan"} & set(fields):
        return Kind("planning", "steps", True)
    if len(fields) == 1 and all("enum" in field for field in fields.values()):
        return Kind("classification", "labels", True)
    if copied >= 0.5:
        return Kind("extraction", "copied", True)
    return Kind("structured", "json", False)


def _texts(seen: Columns, inputs: Sequence[str], answers: Sequence[Any]) -> Kind:
    pairs = [(text, str(answer)) for text, answer in zip(inputs, answers, strict=True) if answer is not None][:_LOOKED]
    if {"question", "context"} & set(seen.inputs) or "問題" in seen.inputs:
        return Kind("qa", "question", True)
    before, after = (sum(map(len, texts)) / max(1, len(pairs)) for texts in zip(*pairs, strict=True))
    shared = sum(_shared(text, answer) for text, answer in pairs) / max(1, len(pairs))
    long = _LONG_CHINESE if all(ord(sign) > 127 for text, _ in pairs[:5] for sign in text[5:15]) else _LONG
    if before > long and after < 0.5 * before:
        return Kind("summarization", "shorter", False)
    if shared >= 0.6 and 0.4 <= after / max(1.0, before) <= 2.5:
        return Kind("rewriting", "same_words", False)
    return Kind("generation", "free_text", False)


def _shared(text: str, answer: str) -> float:
    """How much of the answer's words (of Chinese, characters) stand in the input."""
    words = _words(answer)
    return len(words & _words(text)) / len(words) if words else 0.0


def _words(text: str) -> set[str]:
    lower = text.lower()
    return set(lower.split()) if lower.isascii() else set(lower) - set(" ，。、！？：；「」")
