"""A record of a source as a canonical row, or the reason why it cannot be one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Any

from stages import unknown
from stages.base import Key, Params
from stages.catalog import Shape
from stages.contract import Contract
from stages.row_shapes import Unshaped, columns
from stages.rows import Row, dumps, row_id
from stages.shapes import ANSWER_COLUMNS, SPLIT_COLUMN, SPLITS, UNANSWERED, VERDICT_COLUMNS, unseen
from stages.strict_json import strict_json

NO_ANSWER = "the answer is missing"  # how the reason of such a row begins
_NOTHING: Mapping[str, str] = MappingProxyType({})
_GOOD = {"true": True, "1": True, "false": False, "0": False}


class Source(Params):
    """A source as task.yaml names it, and the files that its path matches."""

    path: str
    format: str
    map: dict[str, str]
    tags: tuple[str, ...]
    role: str | None
    files: tuple[str, ...]
    encoding: str = "auto"
    shape: str = "auto"
    hub: str | None = None
    weight: float | None = None


class Making(Params):
    """How records become rows. label: those without an answer, too; repair: those whose answer breaks the contract."""

    output: Annotated[str | None, Key("data.output")]
    group_by: Annotated[str | None, Key("splits.group_by")]
    order_by: Annotated[str | None, Key("splits.order_by")] = None
    tags: Annotated[str | None, Key("data.tags")] = None
    input_template: Annotated[str, Key("input_template")]
    shape: Annotated[Shape, Key("data.shape")] = "answers"
    label: Annotated[bool | None, Key("generate.label")] = None
    repair: Annotated[bool | None, Key("generate.repair")] = None
    contract: Contract


class Rejected(Exception):
    """This record cannot be a row; the message says why. gate: `row` or `contract`."""

    def __init__(self, reason: str, gate: str = "row") -> None:
        super().__init__(reason)
        self.gate = gate


class _Broken(Rejected):
    """The answer breaks the contract."""

    def __init__(self, reason: str, answer: Any) -> None:
        super().__init__(reason, "contract")
        self.answer = answer


def to_row(
    fields: dict[str, Any],
    source: Source,
    params: Making,
    wanted: tuple[str, ...],
    empty: Mapping[str, str] = _NOTHING,
) -> Row:
    """A record as a canonical row of `params.shape`: what the template reads, and the answers. Raises Rejected.

    empty: the columns of a table whose cell is empty, by the names that the task knows them by -> as the file does.
    """
    if params.shape == "texts" and not _has_answer(fields, params):
        row = _text(fields)
    elif params.shape == "pairs":
        row = _pair(_given(fields, wanted, empty), fields, params.contract)
    elif params.shape == "verdicts":
        row = _verdict(_given(fields, wanted, empty), fields, params, empty)
    else:
        row = _answered(_given(fields, wanted, empty), fields, params, empty)
    split = source.role or _official_split(fields)
    if params.shape == "texts" and row.answered and split == "train":
        raise Rejected("it has an answer, so it is no text to train on")
    group, place = _group(fields, params.group_by), _place(row, split)
    tags = (*source.tags, *(tag for tag in _tags(fields, params.tags) if tag not in source.tags))
    when = _when(fields, params.order_by)
    return replace(row, split=place, group=group, tags=tags, when=when, weight=source.weight)


def _given(fields: dict[str, Any], wanted: tuple[str, ...], empty: Mapping[str, str]) -> dict[str, Any]:
    missing = next((name for name in wanted if fields.get(name) is None), None)
    if missing is not None:
        where = f": `{empty[missing]}` is empty" if missing in empty else ""
        raise Rejected(f"the input field {missing} is missing{where}")
    given = {name: fields[name] for name in wanted}
    if all(_is_empty(value) for value in given.values()):
        raise Rejected("every input field is empty")
    return given


def _answered(given: dict[str, Any], fields: dict[str, Any], params: Making, empty: Mapping[str, str]) -> Row:
    """With its answer, or for a teacher to answer where the task wants it so."""
    try:
        answer = _checked(_answer(fields, params, ANSWER_COLUMNS, empty), params.contract)
    except _Broken as broken:
        if not (params.label if _is_blank(broken.answer) else params.repair):
            raise
        worse = None if _is_blank(broken.answer) else broken.answer
    except Rejected:
        if not params.label:
            raise
        worse = None
    else:
        return Row(row_id(given, answer), given, answer)
    told = None if worse is None else {"rejected": worse}
    return Row(row_id(given, told), given, None, UNANSWERED, rejected=worse)


def _is_blank(answer: Any) -> bool:
    """Whether a cell, or every field of an answer, says nothing."""
    if isinstance(answer, dict):
        return all(map(_is_blank, answer.values()))
    return answer is None or (isinstance(answer, str) and not answer.strip())


def _pair(given: dict[str, Any], fields: dict[str, Any], contract: Contract) -> Row:
    """{…, chosen, rejected}: the chosen answer is the right one."""
    if fields.get("chosen") is None:
        raise Rejected(f"{NO_ANSWER}: no column chosen")
    chosen, rejected = _checked(fields["chosen"], contract), _worse(fields.get("rejected"), contract)
    if contract.write(chosen) == contract.spell(rejected):
        raise Rejected("chosen and rejected are the same answer")
    return Row(row_id(given, {"chosen": chosen, "rejected": rejected}), given, chosen, rejected=rejected)


def _verdict(given: dict[str, Any], fields: dict[str, Any], params: Making, empty: Mapping[str, str]) -> Row:
    """{…, completion, label}: a right answer, or one that is not to be given."""
    good = _GOOD.get(str(fields.get("label")).strip().lower())
    if good is None:
        raise Rejected("the label says neither true nor false")
    answer = _answer(fields, params, VERDICT_COLUMNS, empty)
    if good:
        answer = _checked(answer, params.contract)
        return Row(row_id(given, answer), given, answer)
    answer = _worse(answer, params.contract)
    return Row(row_id(given, {"rejected": answer}), given, None, rejected=answer)


def _text(fields: dict[str, Any]) -> Row:
    """{text}: nothing is asked and nothing answered."""
    text = fields.get("text")
    if not isinstance(text, str) or _is_empty(text):
        raise Rejected("the text is missing or empty")
    return Row(row_id({}, text), {}, None, text=text)


def _place(row: Row, split: str | None) -> str | None:
    """The split that a row stands in; one without a right answer is there to be trained on, or to be answered first."""
    if row.answered:
        return split
    if split not in (None, "train"):
        raise Rejected(f"it names no right answer, so it cannot stand in {split}")
    return row.split or "train"


def _group(fields: dict[str, Any], column: str | None) -> str | None:
    value = fields.get(column) if column else None
    return None if value is None else value if isinstance(value, str) else dumps(value)


def _when(fields: dict[str, Any], column: str | None) -> str | float | None:
    value = fields.get(column) if column else None
    return (
        value
        if isinstance(value, int | float) and not isinstance(value, bool)
        else None
        if value is None
        else str(value)
    )


def _tags(fields: dict[str, Any], column: str | None) -> list[str]:
    """A row's own tags: a list, or a text with commas between them."""
    value = fields.get(column) if column else None
    given = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else ()
    return list(dict.fromkeys(str(tag).strip() for tag in given if str(tag).strip()))


def _is_empty(value: Any) -> bool:
    if isinstance(value, str):
        return unseen(value)
    return value in ([], {})


def _answer(
    fields: dict[str, Any], params: Making, columns: tuple[str, ...], empty: Mapping[str, str] = _NOTHING
) -> Any:
    """What stands in the answer's column, or in columns that bear the names of its fields.

    A row with none of these columns says that there is nothing to say, unless a teacher is to answer such rows. One
    whose answer has a column, and nothing in it, says nothing at all.
    """
    own = params.contract.fields if params.contract.type == "json" else ()
    named = [params.output] if params.output else [name for name in columns if name not in own]
    column = next((name for name in named if name in fields), None)
    if column is not None:
        value = fields[column]
        if not isinstance(value, dict) and _is_blank(value) and params.contract.errors(value):
            raise Rejected(f"{NO_ANSWER}: `{column}` is empty")
        return value
    bare = fields.keys().isdisjoint(own)
    if bare and (cell := next((empty[name] for name in named if name in empty), None)):
        raise Rejected(f"{NO_ANSWER}: `{cell}` is empty")
    if params.output or not own or (params.label and bare):
        raise Rejected(f"{NO_ANSWER}: no column {', '.join(named)}")
    return {name: fields[name] for name in own if name in fields}


def _checked(value: Any, contract: Contract) -> Any:
    answer = _out_of_text(value, contract)
    if contract.type == "label" and answer in contract.labels:  # the schema says no more of a label
        return answer
    if broken := contract.errors(answer, unknown.worded):
        raise _Broken("; ".join(broken), answer)
    return answer


def _worse(value: Any, contract: Contract) -> Any:
    """An answer that is not to be given; it may well break the contract."""
    answer = _out_of_text(value, contract)
    if answer is None or not contract.spell(answer).strip():
        raise Rejected("the rejected answer is missing or empty")
    return answer


def _out_of_text(value: Any, contract: Contract) -> Any:
    """JSON in a text column; a text that fits the contract as it stands is meant so."""
    if contract.type == "json" and isinstance(value, str) and contract.errors(value):
        try:
            return strict_json(value)
        except (ValueError, RecursionError):
            return value
    return value


def _has_answer(fields: dict[str, Any], params: Making) -> bool:
    """Whether a record among texts is a row to measure with."""
    names = (params.output,) if params.output else (*ANSWER_COLUMNS, *params.contract.fields)
    return any(fields.get(name) is not None for name in names)


def _official_split(fields: dict[str, Any]) -> str | None:
    named = fields.get(SPLIT_COLUMN)
    if named in (None, ""):
        return None
    split = SPLITS.get(str(named).strip().lower())
    if split is None:
        raise Rejected(f"the split is none of {', '.join(sorted(SPLITS))}")
    return split


def named(fields: dict[str, Any], source: Source) -> dict[str, Any]:
    """A record's columns as the task knows them: those of its shape, under `map`'s names. Raises Rejected."""
    try:
        fields = columns(fields, source.shape)
    except Unshaped as why:
        raise Rejected(str(why)) from None
    names = source.map  # new name -> column in the file
    if not names:
        return fields
    kept = {column: value for column, value in fields.items() if column not in names.values()}
    return kept | {new: fields[column] for new, column in names.items() if column in fields}


def emptied(blank: Collection[str], source: Source) -> Mapping[str, str]:
    """The columns of a table that are empty in a record: as the task knows them -> as the file does."""
    if not blank:
        return _NOTHING
    kept = {name: name for name in blank if name not in source.map.values()}
    return kept | {new: column for new, column in source.map.items() if column in blank}
