"""What goes in: the template with its placeholders, and what the model is told before it."""

from __future__ import annotations

import re

from tunec.coaching.case import Case

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MAP = "data.map"  # new name -> column, for `data` to write beside each source; no key of its own


def decide(case: Case) -> None:
    names = _names(case)
    plain = _plain(names)
    if len(plain) == 1:
        template = f"{{{next(iter(plain))}}}"
    else:
        template = "\n".join(f"{column}: {{{name}}}" for name, column in plain.items())
    ground, why = (
        ("data", "column_alone" if len(plain) == 1 else "columns_in") if case.seen else ("assumed", "default_target")
    )
    if case.said("inputs") and (not case.seen or set(names) <= set(case.said("inputs"))):
        ground, why = "answer", "you"
    case.put("input_template", template, ground, why)  # type: ignore[arg-type]
    if renamed := {name: column for name, column in plain.items() if name != column}:
        case.put(MAP, renamed, "data" if case.seen else "answer", "renamed")
    _prompt(case)


def _names(case: Case) -> list[str]:
    said: list[str] = case.said("inputs") or []
    if not case.seen:
        return said or ["text"]
    known = case.seen.columns
    named = [name for name in said if name in known.names and name != known.answer]
    if known.answer and known.answer in said:
        case.against("inputs_answer", data=True, name=known.answer)
    if missing := [name for name in said if name not in known.names]:
        case.against("inputs", data=True, names=", ".join(missing[:10]))
    return named or list(known.inputs) or [name for name in known.names if name != known.answer][:1] or ["text"]


def _plain(names: list[str]) -> dict[str, str]:
    """Name of the placeholder -> column. A column whose name a placeholder cannot have gets another."""
    found: dict[str, str] = {}
    for name in names:
        if _PLAIN.fullmatch(name):
            found[name] = name
    for name in names:
        if not _PLAIN.fullmatch(name):
            made = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")
            made = made if _PLAIN.fullmatch(made) else "text"
            while made in found:
                made = f"{made}_{len(found) + 1}"
            found[made] = name
    return {name: found[name] for column in names for name in found if found[name] == column}


def _prompt(case: Case) -> None:
    if not case.answered("system_prompt", "instructions"):
        from tunec.coaching.words import words

        chinese = str(case.value("language", "")).startswith("zh-TW")
        kind = case.value("task_type")
        text = words("zh-TW" if chinese else "en").say(f"prompts.{kind}")
        case.put("system_prompt", text, "assumed", "prompt_of_type", task_type=case.task_type(kind))
    # A brace in a person's words is no placeholder: the prompt is the same for every row.
