"""Sources -> accepted rows, and rejected ones with reasons. Rows read = accepted + rejected + duplicates, always."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TextIO

from stages.base import File, Key, Params, Shape, Span, Stage, Write, fail
from stages.contract import Contract
from stages.progress import tell
from stages.readers import Record, read, strict_json
from stages.rows import Row, as_dict, dumps, read_jsonl, row_id, write_json
from stages.shapes import ANSWER_COLUMNS, APART, SPLIT_COLUMN, SPLITS, VERDICT_COLUMNS
from stages.templating import placeholders

# A row that stands in several splits counts for the one furthest from training, so that no test row is trained on.
_KEEP_FIRST = (*APART, "test", "dev", "train", None)
_GOOD = {"true": True, "1": True, "false": False, "0": False}
_UNSEEN = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf"))  # Unicode's blanks, controls and zero-width marks


class Source(Params):
    """A source as task.yaml names it, and the files that its path matches."""

    path: str
    format: str
    map: dict[str, str]
    tags: tuple[str, ...]
    role: str | None
    files: tuple[str, ...]


@dataclass(frozen=True)
class Inputs:
    files: Annotated[tuple[Path, ...], File("data.files")]


class DataParams(Params):
    sources: Annotated[tuple[Source, ...], Key("data.sources")]
    output: Annotated[str | None, Key("data.output")]
    group_by: Annotated[str | None, Key("splits.group_by")]
    input_template: Annotated[str, Key("input_template")]
    shape: Annotated[Shape, Key("data.shape")] = "answers"
    contract: Contract


@dataclass(frozen=True)
class Outputs:
    accepted: Annotated[Path, Write("accepted.jsonl")]
    rejected: Annotated[Path, Write("rejected.jsonl")]
    report: Annotated[Path, Write("report.json", "metrics")]


class Rejected(Exception):
    """This record cannot be a row; the message says why."""


def run(inputs: Inputs, params: DataParams, out: Outputs) -> None:
    """Read every source, check every row against the contract, drop exact duplicates.

    out.accepted: JSONL of rows, sorted by id, so that neither order nor duplicates of source rows change a byte.
    out.rejected: JSONL of {file, line, reason, raw}. out.report: counts.
    Raises T301 when no row is left, with the most frequent reasons, and T352 when answers could not be held to the
    contract: better here than after the training.
    """
    params.contract.grammar()
    read_count, reasons = 0, Counter[str]()
    first: dict[str, Span] = {}
    spool = out.accepted.with_suffix(".spool")
    kept: dict[str, tuple[int, int]] = {}  # id -> rank of its split, offset in the spool: two numbers a row in memory
    with spool.open("w+", encoding="utf-8", newline="\n") as rows, out.rejected.open("w", encoding="utf-8") as rejected:
        for file, record, row in _records(params):
            read_count += 1
            if isinstance(row, str):
                reasons[row] += 1
                first.setdefault(row, Span(file, record.line))
                rejected.write(dumps({"file": file, "line": record.line, "reason": row, "raw": record.raw}) + "\n")
            else:
                _keep(row, rows, kept)
            if read_count % 1000 == 0:
                tell(read_count, None, f"{len(kept)} rows kept")
        _write_sorted(rows, kept, out.accepted)
    spool.unlink()
    if not kept:
        raise _nothing_left(params, reasons, first)
    duplicates = read_count - len(kept) - reasons.total()
    counts = {"read": read_count, "accepted": len(kept), "duplicates": duplicates, "rejected": reasons.total()}
    by_split = Counter(str(item["split"]) for item in read_jsonl(out.accepted))
    labels = Counter(label for item in read_jsonl(out.accepted) if (label := params.contract.label(item["output"])))
    report = {**counts, "reasons": dict(reasons.most_common(20)), "official_splits": dict(by_split), "labels": labels}
    write_json(out.report, report)


def _records(params: DataParams) -> Iterator[tuple[str, Record, Row | str]]:
    """Every record of every file, with the row it became or the reason why it did not."""
    wanted = tuple(sorted(placeholders(params.input_template)))
    for source in params.sources:
        for file in source.files:
            for record in read(Path(file), source.format):
                if record.fields is None:
                    yield file, record, str(record.reason)
                    continue
                try:
                    yield file, record, to_row(_renamed(record.fields, source.map), source, params, wanted)
                except Rejected as reason:
                    yield file, record, str(reason)


def to_row(fields: dict[str, Any], source: Source, params: DataParams, wanted: tuple[str, ...]) -> Row:
    """A record as a canonical row of `params.shape`: what the template reads, and the answers. Raises Rejected."""
    if params.shape == "texts" and not _has_answer(fields, params):
        row = _text(fields)
    elif params.shape == "pairs":
        row = _pair(_given(fields, wanted), fields, params.contract)
    elif params.shape == "verdicts":
        row = _verdict(_given(fields, wanted), fields, params)
    else:
        given = _given(fields, wanted)
        answer = _checked(_answer(fields, params, ANSWER_COLUMNS), params.contract)
        row = Row(row_id(given, answer), given, answer)
    split = source.role or _official_split(fields)
    if params.shape == "texts" and row.answered and split == "train":
        raise Rejected("it has an answer, so it is no text to train on")
    group, place = _group(fields, params.group_by), split if row.answered else _trained_on(split)
    return replace(row, split=place, group=group, tags=source.tags)


def _given(fields: dict[str, Any], wanted: tuple[str, ...]) -> dict[str, Any]:
    missing = [name for name in wanted if fields.get(name) is None]
    if missing:
        raise Rejected(f"the input field {missing[0]} is missing")
    given = {name: fields[name] for name in wanted}
    if all(_is_empty(value) for value in given.values()):
        raise Rejected("every input field is empty")
    return given


def _pair(given: dict[str, Any], fields: dict[str, Any], contract: Contract) -> Row:
    """{…, chosen, rejected}: the chosen answer is the right one."""
    if fields.get("chosen") is None:
        raise Rejected("the answer is missing: no column chosen")
    chosen, rejected = _checked(fields["chosen"], contract), _worse(fields.get("rejected"), contract)
    if contract.write(chosen) == contract.spell(rejected):
        raise Rejected("chosen and rejected are the same answer")
    return Row(row_id(given, {"chosen": chosen, "rejected": rejected}), given, chosen, rejected=rejected)


def _verdict(given: dict[str, Any], fields: dict[str, Any], params: DataParams) -> Row:
    """{…, completion, label}: a right answer, or one that is not to be given."""
    good = _GOOD.get(str(fields.get("label")).strip().lower())
    if good is None:
        raise Rejected("the label says neither true nor false")
    answer = _answer(fields, params, VERDICT_COLUMNS)
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


def _trained_on(split: str | None) -> str:
    if split not in (None, "train"):
        raise Rejected(f"it names no right answer, so it cannot stand in {split}")
    return "train"


def _group(fields: dict[str, Any], column: str | None) -> str | None:
    value = fields.get(column) if column else None
    return None if value is None else value if isinstance(value, str) else dumps(value)


def _is_empty(value: Any) -> bool:
    if isinstance(value, str):
        return all(unicodedata.category(char) in _UNSEEN for char in value)
    return value in ([], {})


def _answer(fields: dict[str, Any], params: DataParams, columns: tuple[str, ...]) -> Any:
    """What stands in the answer's column, or in columns that bear the names of its fields."""
    own = params.contract.fields if params.contract.type == "json" else ()
    column = params.output or next((name for name in columns if name in fields and name not in own), None)
    if column is None and own:
        return {name: fields[name] for name in own if name in fields}
    if column is None or column not in fields:
        raise Rejected(f"the answer is missing: no column {params.output or ', '.join(columns)}")
    return fields[column]


def _checked(value: Any, contract: Contract) -> Any:
    answer = _out_of_text(value, contract)
    if broken := contract.errors(answer):
        raise Rejected("; ".join(broken))
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


def _has_answer(fields: dict[str, Any], params: DataParams) -> bool:
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


def _renamed(fields: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """`names` is new name -> column in the file."""
    kept = {column: value for column, value in fields.items() if column not in names.values()}
    return kept | {new: fields[column] for new, column in names.items() if column in fields}


def _keep(row: Row, spool: TextIO, kept: dict[str, tuple[int, int]]) -> None:
    rank = _KEEP_FIRST.index(row.split)
    if row.id in kept and kept[row.id][0] <= rank:
        return
    kept[row.id] = (rank, spool.tell())
    # Keys sorted: of two rows that differ in key order only, either may come first.
    spool.write(dumps(as_dict(row), sort_keys=True) + "\n")


def _write_sorted(spool: TextIO, kept: dict[str, tuple[int, int]], accepted: Path) -> None:
    with accepted.open("w", encoding="utf-8", newline="\n") as out:
        for _, (_, offset) in sorted(kept.items()):
            spool.seek(offset)
            out.write(spool.readline())


def _nothing_left(params: DataParams, reasons: Counter[str], first: dict[str, Span]) -> Exception:
    if not reasons:
        file = next((file for source in params.sources for file in source.files), "data/raw/")
        return fail("T301", "the sources hold no rows", help="put rows into the file", file=file)
    common = reasons.most_common(5)
    places = {why: f"{first[why].file}:{first[why].line}" for why, _ in common}
    notes = tuple(f"{many} of them: {why} (first at {places[why]})" for why, many in common)
    span, help = first[common[0][0]], "mend the rows, or the contract in output_format"
    return fail(
        "T301", f"none of {reasons.total()} rows is left", notes=notes, help=help, file=span.file, line=span.line
    )


STAGE = Stage(
    name="data",
    summary="Reads the sources, checks every row against the contract, drops exact duplicates",
    run=run,
    inputs=Inputs,
    params=DataParams,
    outputs=Outputs,
    libraries=("jsonschema", "pyarrow"),
)
