"""What the task is: its type, name, language, field and goal."""

from __future__ import annotations

from compiler.languages import code, is_code
from tunec.coaching.case import Case
from tunec.importing.shared import slug

_MANY = 3  # languages from which on a task has no one language


def decide(case: Case) -> None:
    _task_type(case)
    _language(case)
    _name(case)
    for key, id in (("domain", "domain"), ("goal", "problem"), ("non_goals", "non_goals")):
        case.answered(key, id)


def _task_type(case: Case) -> None:
    """A person's word stands against what the rows look like: the same rows may serve two kinds of task."""
    seen = case.seen.kind if case.seen else None
    said = case.said("task_type")
    if said:
        case.put("task_type", said, "answer", "you")
        if seen and seen.sure and said != seen.task_type and not _may_be(said, seen.task_type):
            case.against("task_type", data=True, said=case.task_type(said), seen=case.task_type(seen.task_type))
    elif seen and case.seen:
        evidence = case.words.say(f"evidence.{seen.why}", share=f"{case.seen.copied:.0%}")
        ground = "data" if seen.sure else "assumed"
        case.put("task_type", seen.task_type, ground, "task_shown", rows=f"{case.seen.looked:,}", evidence=evidence)  # type: ignore[arg-type]
    else:
        form = {"label": "classification", "json": "extraction", "tool_call": "tool_calling"}
        labelled = "label" if case.said("labels") else "json" if case.said("fields") else "text"
        case.put("task_type", form.get(case.said("output", labelled), "generation"), "assumed", "default_target")


def _may_be(said: str, seen: str) -> bool:
    """Kinds that rows of one look may serve."""
    alike = (
        {"classification", "policy", "qa"},
        {"extraction", "structured", "planning", "classification"},
        {"generation", "rewriting", "summarization", "qa", "planning"},
    )
    return any({said, seen} <= kinds for kinds in alike)


def _language(case: Case) -> None:
    said = _code(case.said("language"))
    shares = case.seen.languages if case.seen else {}
    if len(shares) >= _MANY:
        told = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        case.against("languages", data=True, count=len(shares), languages=told)
    if shares:
        first, share = next(iter(shares.items()))
        if said and said.partition("-")[0] != first.partition("-")[0] and share > 0.5:
            case.against("language", data=True, said=said, seen=first, share=f"{share:.0%}")
            said = None
        if said:
            case.put("language", said, "answer", "you")
        elif first == "zh":  # of signs that both ways of writing have
            case.put("language", "zh-TW" if case.words.language == "zh-TW" else first, "assumed", "default_language")
        else:
            case.put("language", first, "data", "language_of_rows", share=f"{share:.0%}")
    elif said:
        case.put("language", said, "answer", "you")
    else:
        case.put("language", case.words.language, "assumed", "default_language")


def _code(said: str | None) -> str | None:
    """Of a language as a person calls it. Plain Chinese is that of the interview."""
    if said is None or is_code(said):
        return said
    named = code(said)
    return "zh-TW" if named == "zh" else named


def _name(case: Case) -> None:
    """Letters that a name cannot have are left out; where none is left, the task type names it."""
    for text, ground in ((case.said("name"), "answer"), (case.said("problem"), "assumed")):
        words = [word for word in slug(text or "").split("-") if len(word) > 2 or ground == "answer"]
        made = "-".join(words[:4] if ground == "assumed" else words)
        if made:
            plain = ground == "answer" and made == text
            case.put("task_name", made, ground, "you" if plain else "name_made", of=str(text)[:60].splitlines()[0])  # type: ignore[arg-type]
            _unnameable(case, made)
            return
    made = f"my-{case.value('task_type').replace('_', '-')}"
    case.put("task_name", made, "assumed", "name_made", of=case.task_type(case.value("task_type")))
    _unnameable(case, made)


def _unnameable(case: Case, made: str) -> None:
    """A name of which no letter could be kept is not dropped without a word."""
    said = case.said("name")
    if said and not slug(said):
        case.put("task_name", made, "assumed", "name_of_other_letters", said=said[:60])
