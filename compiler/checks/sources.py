"""What the sections `data` and `splits` say beyond where files are: gates, encodings, kinds, patterns, quotas."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from compiler.checks._check import Found, Look, check
from compiler.checks.paths import unsafe
from compiler.resolve import HUB_ID, did_you_mean
from stages.facts import data_gates
from stages.kinds import PERSONAL, SECRETS

_COUNTED = ("tag", "label", "language", "license")
_NESTED = re.compile(r"\([^()]*[+*][^()]*\)[+*{]")  # (a+)+ takes time without end
_LONGEST = 500  # characters of a pattern


@check("T604")
def data_gate_is_known(look: Look) -> Iterator[Found]:
    """A gate of `data.gates` that tunec does not have, or that cannot do what it is told to.

    Choose one that the note lists. Rows that are no JSON, lack an input, break the contract or stand there twice are
    always rejected.
    """
    known = data_gates() if look.task.data.gates else {}
    for name, action in look.task.data.gates.items():
        at = f"data.gates.{name}"
        if name not in known:
            note = f"gates: {', '.join(known)}"
            yield Found(f"unknown gate `{name}`", at, did_you_mean(name, list(known)) or "remove it", note, key=True)
        elif action not in known[name]:
            note = f"what it can do: {', '.join(known[name])}"
            yield Found(f"the gate `{name}` cannot {action}", at, "choose one of these, or remove the line", note)


@check("T605")
def encoding_is_known(look: Look) -> Iterator[Found]:
    """An encoding that Python does not know, or that is none of texts.

    Write its usual name, such as big5, gb18030, utf-16, cp1252 or shift_jis.
    """
    for index, source in enumerate(look.task.data.sources):
        if source.encoding != "auto" and not _is_encoding(source.encoding):
            help = "write a name such as big5, gb18030, utf-16, cp1252 or shift_jis"
            yield Found(f"{source.encoding[:80]!a} is no encoding", f"data.sources.{index}.encoding", help)


def _is_encoding(name: str) -> bool:
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        return False
    return bool(getattr(found, "_is_text_encoding", True)) and found.incrementaldecoder is not None


@check("T606")
def data_set_is_pinned(look: Look) -> Iterator[Found]:
    """A data set on the Hub without a commit, or whose name is none.

    A branch can move, and then the same task.yaml would train on other rows. Write OWNER/NAME@ and 40 hexadecimal
    digits.
    """
    for index, source in enumerate(look.task.data.sources):
        hub = HUB_ID.fullmatch(source.hub) if source.hub is not None else None
        if source.hub is not None and not (hub and hub["revision"] and source.hub.isascii()):
            help = "write it like PolyAI/banking77@ and the 40 hexadecimal digits of a commit"
            yield Found(f"{source.hub[:80]!a} names no commit of a data set", f"data.sources.{index}.hub", help)


@check("T607")
def kind_of_pii_is_known(look: Look) -> Iterator[Found]:
    """A kind of personal data or secret that tunec does not look for.

    Choose one that the note lists.
    """
    known = [*PERSONAL, *SECRETS]
    for name in look.task.data.pii.types:
        if name not in known:
            help = did_you_mean(name, known) or "remove it"
            yield Found(
                f"unknown kind `{name}`", f"data.pii.types.{name}", help, f"kinds: {', '.join(known)}", key=True
            )


@check("T608")
def pattern_can_be_used(look: Look) -> Iterator[Found]:
    """A pattern of `data.patterns` that is no regular expression, that may run without end, or whose column is none.

    Mend the expression or the column's name.
    """
    for column, pattern in look.task.data.patterns.items():
        at = f"data.patterns.{column}"
        if look.seen_whole and column not in look.columns:
            help = did_you_mean(column, sorted(look.columns)) or "name a column of the data"
            yield Found(f"no column is named `{column}`", at, help, key=True)
        if why := _flaw(pattern.removeprefix("!")):
            yield Found(f"the pattern of `{column}` {why}", at, "mend the regular expression")


def _flaw(pattern: str) -> str | None:
    if len(pattern) > _LONGEST:
        return f"is longer than {_LONGEST} characters"
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression: {error}"
    return "repeats a repetition, which may run without end" if _NESTED.search(pattern) else None


@check("T609")
def quota_can_be_met(look: Look) -> Iterator[Found]:
    """A quota without a bound, with a minimum above its maximum, or by a column that the data does not have.

    Write `min:` or `max:`, and tag, label, language, license or a column behind `by:`.
    """
    for index, quota in enumerate(look.task.data.quotas):
        at = f"data.quotas.{index}"
        if quota.min is None and quota.max is None:
            yield Found("this quota has no bound", at, "write `min:` or `max:`, in rows or as a share below 1")
        elif _crossed(quota.min, quota.max):
            yield Found("this quota's `min` is above its `max`", f"{at}.min", "lower it")
        if look.seen_whole and quota.by not in (*_COUNTED, *look.columns):
            help = did_you_mean(quota.by, [*_COUNTED, *sorted(look.columns)]) or "name a column of the data"
            yield Found(f"no column is named `{quota.by}`", f"{at}.by", help)


def _crossed(least: float | None, most: float | None) -> bool:
    """Whether both bounds count the same thing, rows or shares, and the lower is the higher."""
    return least is not None and most is not None and (least < 1) == (most < 1) and least > most


@check("T602")
def meaning_has_a_model(look: Look) -> Iterator[Found]:
    """The gate `semantic` or `clusters` without a model of embeddings, or without model2vec.

    `pip install 'tunec[semantic]'`, and name the folder of a model2vec model in `data.dedupe.embedder`.
    """
    data = look.task.data
    for gate in ("semantic", "clusters"):
        if data.gates.get(gate, "off") == "off":
            continue
        at, folder = f"data.gates.{gate}", data.dedupe.embedder
        if folder is None:
            help = "put a model2vec model into the workspace and name its folder in `data.dedupe.embedder`"
            yield Found(f"the gate `{gate}` needs a model of embeddings", at, help, key=True)
        elif not unsafe(folder, look.workspace) and not look.workspace.glob(f"{folder.rstrip('/')}/config.json"):
            what = f"`{folder}` holds no model of embeddings: there is no config.json"
            yield Found(what, "data.dedupe.embedder", "put the folder of a model2vec model there")


@check("T610")
def time_has_a_column(look: Look) -> Iterator[Found]:
    """`splits.order_by` names a column that the data does not have, or stands beside `splits.group_by`.

    Rows are parted either by time or by group.
    """
    column = look.task.splits.order_by
    if column and look.task.splits.group_by:
        yield Found("rows are parted by time or by group, not by both", "splits.order_by", "remove one of the two")
    elif column and look.seen_whole and column not in look.columns:
        help = did_you_mean(column, sorted(look.columns)) or "name a column of the data"
        yield Found(f"no column is named `{column}`", "splits.order_by", help)
