"""`tunec coach`: look at the data, ask what it does not show, decide, write."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from compiler import compile_task
from compiler.domains import high_stakes
from compiler.parse import ParseError
from stages.diagnostics import Diagnostic, UserError, fail
from stages.rows import dumps, write_jsonl
from stages.shapes import readable
from tunec.coaching import answers as answering
from tunec.coaching.case import Case
from tunec.coaching.deciding import decide
from tunec.coaching.deciding.data import UNANSWERED
from tunec.coaching.looked import looked
from tunec.coaching.questions import QUESTIONS
from tunec.coaching.summary import summary
from tunec.coaching.words import Words, language_of, words
from tunec.coaching.writing import tree, write
from tunec.dvc import beginning
from tunec.observing import Observed, Told, observe
from tunec.workspace import TASK, Disk

SESSION = Path(".tunec", "coach.yaml")  # answers so far, for the next time


@dataclass(frozen=True)
class Coached:
    """case: what was decided. text: of the task. files: what was written. warnings: contradictions, and `check`'s."""

    case: Case
    text: str
    files: list[Path]
    warnings: list[Diagnostic]

    def told(self) -> str:
        """What a person is told at the end."""
        case, say = self.case, self.case.words.say
        lines = [looked(case.words, case.seen)] if case.seen else []
        lines += [say("said.written", task=self.files[0].as_posix(), summary=self.files[1].as_posix())]
        lines += _listed(say("said.assumptions"), [f"{key}: {why}" for key, why in case.assumed().items()])
        source = case.value("data.sources")[0]["path"]
        if not case.seen or source == UNANSWERED:
            lines.append(say("said.bring", path=source, example=_shape(case)))
        if high_stakes(case.value("domain")):
            lines.append(say("said.review", domain=case.value("domain")))
        return "\n".join([*lines, *self._next()])

    def _next(self) -> Iterator[str]:
        """What to type, in this order, in this folder."""
        say = self.case.words.say
        typed = dict(self._commands())
        width = max(map(len, typed.values()))
        yield say("said.next")
        yield from (f"  {command:<{width}}  # {say(f'said.then.{word}')}" for word, command in typed.items())

    def _commands(self) -> Iterator[tuple[str, str]]:
        """(word for why, command)."""
        task, root = self.files[0].as_posix(), self.case.root
        if task != TASK and os.path.lexists(root / TASK):
            yield from (("check", f"tunec check {quote(task)}"), ("apart", f"mv {quote(task)} DIR/{TASK}"))
            return
        if (begin := beginning(root)) is not None:
            yield "begin", begin
        if task != TASK:
            yield "rename", f"mv {quote(task)} {TASK}"
        yield from (("check", "tunec check"), ("advise", "tunec advise"), ("build", "tunec build"))

    def json(self) -> dict[str, Any]:
        choices = {key: {"value": c.value, "why": c.why, "ground": c.ground} for key, c in self.case.choices.items()}
        against = [{"what": one.word, "said": one.said} for one in self.case.contradictions]
        return {"files": [file.as_posix() for file in self.files], "choices": choices, "contradictions": against}


@dataclass(frozen=True)
class Asked:
    """How the interview is held. answers: a file of them; without one, a terminal is asked. story: a text in a person's
    own words, which the model behind `llm` reads. language: None goes by the answers.
    """

    answers: Path | None = None
    story: Path | None = None
    language: str | None = None
    llm: str | None = None
    model: str = "default"


def coach(root: Path, files: Sequence[Path], how: Asked, out: Path) -> Coached:
    """Write `out` and its summary beside it: task.yaml and task_summary.yaml.

    Raises T843 when `out` is there, T844 for data that is none or outside, T840 to T842 for answers, T849 and T850 for
    a model that was to read them.
    """
    if os.path.lexists(out):
        raise fail("T843", f"{out} is there already, and nothing is overwritten", help="name another with `--out`")
    named = _below(root, files)
    seen = _look(root, named, Told())
    answers = answering.read(how.answers, how.language) if how.answers else {}
    language = answers.pop(answering.LANG, None)
    story = _story(how)
    said = [answer for answer in answers.values() if isinstance(answer, str)] or ([story] if story else _texts(seen))
    spoken = words(how.language or language or language_of(said))
    read = _read_freely(how, story, spoken) if story else {}
    answers = {**read, **answers}
    if not how.answers and not story and sys.stdin.isatty() and sys.stdout.isatty():
        from tunec.coaching.asking import ask

        answers = ask(spoken, root / SESSION, seen, answers)
    elif not answers and seen is None:
        help = "name your data files, or a file of answers with `--answers`; in a terminal they are asked for"
        raise fail("T844", "there are no rows, no answers and no terminal to ask in", help=help)
    if (told := _of_answers(answers)) != Told():
        seen = _look(root, named, told)
    return conclude(root, seen, answers, spoken, out, frozenset(name for name in read if answers[name] == read[name]))


def _story(how: Asked) -> str:
    if how.story and not how.llm:
        help = "name an OpenAI-compatible model: `--llm http://127.0.0.1:8080/v1`; or write answers into a file"
        raise fail("T849", "a text in free words needs a model to read it", help=help)
    if how.llm and not how.story:
        raise fail("T849", "`--llm` has nothing to read", help="name a text with `--story FILE`")
    try:
        return how.story.read_text(encoding="utf-8") if how.story else ""
    except (OSError, UnicodeDecodeError):
        raise fail("T849", f"{how.story} cannot be read", help="name a text in UTF-8") from None


def _read_freely(how: Asked, story: str, spoken: Words) -> dict[str, Any]:
    from tunec.coaching.reading_freely import read_freely

    return read_freely(str(how.llm), how.model, story, spoken)


def conclude(
    root: Path,
    seen: Observed | None,
    answers: answering.Answers,
    spoken: Words,
    out: Path,
    read: frozenset[str] = frozenset(),
) -> Coached:
    """Decide, write, and compile what was written: it has no error, or it is ours. read: answers that a model read."""
    case = decide(Case(root, answers, seen, spoken, read))
    text = write(case)
    made = _first_rows(root, case)
    try:
        compiled = compile_task(text, Disk(root), file=out.name)
    except ParseError as error:
        for file in made:
            file.unlink()
        raise UserError(*error.diagnostics) from None
    beside = out.with_name(f"{out.stem}_summary.yaml")  # of two tasks in a folder, each has its own
    if answers:
        answering.save(root / SESSION, answers, spoken.language)  # `advise` asks for them
    for path, content in ((out, text), (beside, summary(case))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8", newline="\n")
    return Coached(case, text, [out, beside, *made], [*_contradictions(case), *compiled.warnings])


def _below(root: Path, files: Sequence[Path]) -> list[str]:
    """Files as task.yaml names them. A folder stands for the files in it."""
    found = []
    for file in files:
        inside = sorted(file.iterdir()) if file.is_dir() else [file]
        for one in inside if not file.is_dir() else [one for one in inside if readable(one.name)]:
            if not one.is_file():
                raise fail("T844", f"{one} is no file", help="name data files; paths count from here")
            if not one.resolve().is_relative_to(root.resolve()):
                help = "copy it into this folder, such as to data/raw/: a task reads only what lies in its own folder"
                raise fail("T844", f"{one} lies outside of this folder", help=help)
            if not readable(one.name):
                help = "save it as JSONL, JSON, CSV, TSV, Parquet, Arrow or xlsx"
                raise fail("T844", f"{one} has no ending that is read", help=help)
            found.append(one.resolve().relative_to(root.resolve()).as_posix())
    return list(dict.fromkeys(found))


def _of_answers(said: answering.Answers) -> Told:
    guess = said.get("output", "label") == "label" and not said.get("fields")
    return Told(said.get("answer_column"), frozenset(said.get("labels") or ()), guess)


def _look(root: Path, files: list[str], told: Told) -> Observed | None:
    if not files:
        return None
    seen = observe(root, files, told)
    if not seen.looked:
        why = f"; the first: {seen.reason}" if seen.reason else ""
        help = "write one JSON object a line, or a table with a header"
        raise fail("T844", f"no row of {', '.join(files)} can be read{why}", help=help)
    return seen


def _texts(seen: Observed | None) -> list[str]:
    """Words that stand for the interview's language where nobody answered anything: that of the rows."""
    return ["中"] if seen and (seen.language or "").startswith("zh-TW") else []


def _first_rows(root: Path, case: Case) -> list[Path]:
    """The file that rows are to be put into, where there is none: with the example that was told, or empty."""
    path = root / case.value("data.sources")[0]["path"]
    if os.path.lexists(path):
        return []
    path.parent.mkdir(parents=True, exist_ok=True)
    row = _example(case)
    write_jsonl(path, [row] if row else [])
    return [path]


def _example(case: Case) -> dict[str, Any] | None:
    """The example as a row; None where none was told, or its answer does not fit the contract."""
    from stages.contract import Unreadable
    from tunec.advising.lengths import contract

    given, answer = case.said("example_input"), case.said("example_output")
    if not given or not answer:
        return None
    form = case.value("output_format.type")
    held = contract(form, case.value("output_format.schema"))
    try:
        value = held.read(answer)
    except Unreadable:
        value = None
    if value is None or held.errors(value):
        case.against("example", said=answer[:60])
        return None
    from stages.templating import placeholders

    names = sorted(placeholders(case.value("input_template")))
    return {**dict.fromkeys(names, ""), names[0]: given, _column(form): value}


def _column(form: str) -> str:
    return "label" if form == "label" else "output"


def _shape(case: Case) -> str:
    from stages.templating import placeholders

    form = case.value("output_format.type")
    answer: Any = (case.value("output_format.schema") or {}).get("enum", ["…"])[0] if form == "label" else "…"
    return dumps({**dict.fromkeys(sorted(placeholders(case.value("input_template"))), "…"), _column(form): answer})


def _contradictions(case: Case) -> list[Diagnostic]:
    """Each as a warning: of answers against one another, or against the rows."""
    say = case.words.say
    how = {False: ("T845", say("said.mend_answer")), True: ("T846", say("said.mend_data"))}
    return [
        Diagnostic(how[one.data][0], one.said, help=how[one.data][1], severity="warning") for one in case.contradictions
    ]


def _listed(title: str, lines: list[str]) -> list[str]:
    return [title, *(f"  {line}" for line in lines)] if lines else []


__all__ = ["QUESTIONS", "Coached", "coach", "tree"]
