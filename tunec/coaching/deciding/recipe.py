"""What is trained, on what and how: base model, method, adapter, lengths."""

from __future__ import annotations

from math import ceil

from stages.chat import Prompting
from tunec.advising import hardware
from tunec.advising.lengths import Lengths, contract, lengths
from tunec.advising.models import Candidate, Needs, candidates
from tunec.coaching.case import Case
from tunec.observing import Observed, Told, observe

_METHODS = {"pairs": "orpo", "verdicts": "kto"}
_LEAST, _STEP = 256, 128  # tokens of a row that room is made for, and in which steps


def decide(case: Case) -> None:
    shape = case.seen.columns.shape if case.seen else "answers"
    long = _lengths(case, case.seen)
    tokens = max(_LEAST, _STEP * ceil(long.longest / _STEP))  # room for the longest row
    found = candidates(case.root, needs(case, _lengths(case, _trained_on(case))))
    _model(case, found)
    why = shape if shape in _METHODS else "sft"
    case.put("training.method", _METHODS.get(shape, "sft"), "data" if case.seen else "assumed", why)
    if found and found[0].adapter == "qlora":
        have = f"{hardware.named(case.answers).memory / 1e9:.0f} GB"
        case.put("training.adapter", "qlora", "table", "qlora", have=have)
    else:
        case.put("training.adapter", "lora", "table", "lora_first")
    case.put("training.lora", {"r": "auto", "alpha": "auto"}, "table", "settled")
    most = found[0].context if found and found[0].context else tokens
    told = {"tokens": f"{long.longest if case.seen else tokens:,}"}
    if tokens > 1024 or case.seen:
        case.put("training.max_length", min(tokens, most), "data" if case.seen else "assumed", "longest_row", **told)
    _answer_length(case, most)


def needs(case: Case, long: Lengths) -> Needs:
    free, network = case.value("output_format.type") == "text", case.said("network") is not False
    kind, language, target = (case.value(key) for key in ("task_type", "language", "versioning.deploy_target"))
    return Needs(kind, language, long, free, hardware.named(case.answers), network=network, target=target)


def _model(case: Case, found: list[Candidate]) -> None:
    first, *rest = found
    others = [one for one in rest if "offline" not in dict(one.drawbacks)]
    drawbacks = {word for word, _ in first.drawbacks}
    if "memory" in drawbacks:
        case.against("memory", have=f"{hardware.named(case.answers).memory / 1e9:.1f} GB")
    if case.said("network") is False and drawbacks & {"offline", "language"}:
        case.against("offline", language=case.value("language"), taken=first.preset)
    named = [case.words.say(f"models.{word}", **values) for word, values in (*first.why, *first.drawbacks)]
    said = {"reasons": case.words.say("said.and").join(named[:4]), "others": ", ".join(one.preset for one in others)}
    case.put("training.base_model", first.preset, "table", "first_model" if others else "model", **said)


def _lengths(case: Case, seen: Observed | None) -> Lengths:
    """Of rows with what stands before them, as they are prompted by default."""
    asked = Prompting(
        input_template=case.value("input_template"), system_prompt=case.value("system_prompt"), mode="contract"
    )
    held = contract(case.value("output_format.type"), case.value("output_format.schema"))
    return lengths(asked, held, seen)


def _trained_on(case: Case) -> Observed | None:
    """The rows of the files that are trained on, which alone a training holds in memory."""
    sources = case.value("data.sources")
    files = [source["path"] for source in sources if source.get("role") in (None, "train")]
    if case.seen is None or len(files) == len(sources):
        return case.seen
    return observe(case.root, files, Told(case.seen.columns.answer, guess=False))


def _answer_length(case: Case, most: int) -> None:
    if not case.seen or case.value("output_format.type") == "label":
        return
    room = min(max(32, 16 * ceil(1.25 * _answer(case.seen) / 16)), max(16, most // 2))
    case.put("evaluation.max_new_tokens", room, "data", "longest_answer", tokens=f"{_answer(case.seen):,}")


def _answer(seen: Observed) -> int:
    return seen.tokens[1]
