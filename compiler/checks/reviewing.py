"""The gates `judge` and `review`, and the sections that they are told by: one without the other does nothing."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.checks._check import Found, Look, check
from compiler.checks.paths import unsafe
from compiler.resolve import did_you_mean
from stages.facts import data_gates, standing_actions
from stages.kinds import PERSONAL, SECRETS

_BY_KIND = {"pii": PERSONAL, "secrets": SECRETS}


@check("T890")
def judge_is_told_what_to_do(look: Look) -> Iterator[Found]:
    """The gate `judge` without the section `data.judge`, the section without the gate, or both beside a method that
    learns from texts.

    The gate says what becomes of a row that is not good enough, the section who judges it. Write both, such as
    `gates: {judge: reject}` and `judge: {endpoint: ADDRESS, model: NAME}`, or neither. A judge scores answers.
    """
    judge, on = look.task.data.judge, look.task.data.gates.get("judge", "off") != "off"
    if on and judge is None:
        help = "write `judge: {endpoint: ADDRESS, model: NAME}` in `data`, or remove the line"
        yield Found("the gate `judge` is on, and nobody is named to judge", "data.gates.judge", help)
    if judge and not on:
        help = "write `gates: {judge: reject}` (or warn) in `data`, or remove the section"
        yield Found("a judge is named, and the gate `judge` is off", "data.judge", help, key=True)
    if judge and look.shape == "texts":
        help = "remove `data.judge` and its gate"
        message = f"a judge scores answers, and `{look.task.training.method}` learns from texts"
        yield Found(message, "data.judge", help, key=True)


@check("T891")
def review_has_rows(look: Look) -> Iterator[Found]:
    """The gate `review` without the section `data.review`, or the section where the gate is off or no row can wait.

    The section says which rows wait for a person, the gate what becomes of them meanwhile: warn, which is usual, uses
    them, and reject holds them back. Write `review: {flags: [pii], share: 0.02}`, or neither.
    """
    review, action = look.task.data.review, look.task.data.gates.get("review")
    if review is None and action not in (None, "off"):
        help = "write `review: {share: 0.02}` in `data`, or remove the line"
        yield Found("the gate `review` is on, and nothing says which rows wait", "data.gates.review", help)
    if review and action == "off":
        help = "write `review: warn` (or reject), or remove `data.review`"
        yield Found("rows are to wait for a person, and the gate `review` is off", "data.gates.review", help)
    if review and not review.flags and not review.share:
        help = "name gates in `flags`, or write a `share` above 0"
        yield Found("no row can wait: there are no `flags`, and the share is 0", "data.review", help, key=True)


@check("T892")
def decisions_have_a_place(look: Look) -> Iterator[Found]:
    """A file of decisions that cannot be one: a pattern, no .jsonl file, in build/, or one that rows are read from.

    What a person decides is kept for good, so it needs a file of its own outside of build/, such as data/review.jsonl.
    """
    review = look.task.data.review
    if review is None or unsafe(review.file, look.workspace):
        return
    why = _unfit(review.file) or ("is read as a data file" if review.file in _read(look) else None)
    if why:
        yield Found(f"`{review.file}` {why}", "data.review.file", "name a file of its own, such as data/review.jsonl")


def _unfit(file: str) -> str | None:
    if "*" in file:
        return "is a pattern, and decisions go into one file"
    if file.split("/")[0] in ("build", ".tunec", ".dvc", ".git"):
        return f"lies in {file.split('/')[0]}/, where nothing is kept"
    return None if file.endswith(".jsonl") else "is no .jsonl file"


def _read(look: Look) -> set[str]:
    data = look.task.data
    paths = [source.path for source in data.sources if not source.hub]
    paths += [data.general_mix.path] if data.general_mix else []
    return {file for path in paths if not unsafe(path, look.workspace) for file in look.workspace.glob(path)}


@check("T893")
def flag_is_raised(look: Look) -> Iterator[Found]:
    """A gate of `data.review.flags` that tunec does not have, or that does not warn in this task.

    Rows wait for what a gate warns of; what it rejects is gone, and what is off says nothing. Write `warn` for the gate
    in `data.gates`, or remove it from the list.
    """
    data = look.task.data
    known = data_gates() if data.review and data.review.flags else {}
    for index, name in enumerate(data.review.flags if data.review else ()):
        at = f"data.review.flags.{index}"
        if name not in known or name == "review":
            others = [gate for gate in known if gate != "review"]
            help = did_you_mean(name, others) or "remove it"
            yield Found(f"no row is flagged by `{name}`", at, help, f"gates: {', '.join(others)}")
        elif not _warns(look, name):
            action = data.gates.get(name, standing_actions()[name])
            help = f"write `gates: {{{name}: warn}}` in `data`, or remove it here"
            yield Found(f"the gate `{name}` does not warn: it is at {action}", at, help)


def _warns(look: Look, gate: str) -> bool:
    """Whether it warns of rows, or of one kind of what is personal or secret."""
    data = look.task.data
    kinds = (data.pii.types.get(kind) for kind in _BY_KIND.get(gate, ()))
    return data.gates.get(gate, standing_actions()[gate]) == "warn" or "warn" in kinds
