"""The lists `datasets`, `test_datasets` and `pretraining_dataset` of an axolotl file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tunec.importing import shared, targets
from tunec.importing.draft import Draft
from tunec.importing.ledger import Ledger, Path
from tunec.importing.place import Place
from tunec.importing.rows import CHAT, NOT_HERE, ONE_SYSTEM_PROMPT, Rows, Shape, write_rows

At = tuple[str, int]

# Dataset type -> part -> column. Of `chatml.intel` or `alpaca:chat`, the part that tells the columns counts.
_ALPACA = {"prompt": "instruction", "query": "input", "response": "output"}
_QA = {"prompt": "question", "response": "answer"}
_PAIR = {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}
_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "alpaca": _ALPACA,
    "alpaca_chat": {**_ALPACA, "response": "response"},
    "alpaca_chat.load_qa": _QA,
    "alpaca_w_system": _ALPACA,
    "alpaca_w_system.load_open_orca": {"prompt": "question", "response": "response"},
    "context_qa": {**_QA, "context": "article"},
    "context_qa.load_v2": {**_QA, "context": "context"},
    "gpteacher": {**_ALPACA, "response": "response"},
    "jeopardy": _QA,
    "oasst": {"prompt": "INSTRUCTION", "response": "RESPONSE"},
    "reflection": _ALPACA,
    "summarizetldr": {"prompt": "article", "response": "summary"},
}
_PAIRS: Mapping[str, Mapping[str, str]] = {
    "argilla": {"prompt": "instruction", "chosen": "chosen_response", "rejected": "rejected_response"},
    "argilla_chat": _PAIR,
    "icr": {**_PAIR, "prompt": "input"},
    "intel": {**_PAIR, "prompt": "question"},
    "prompt_pairs": _PAIR,
    "ultra": _PAIR,
}
_JUDGED: Mapping[str, Mapping[str, str]] = {
    "argilla": {"prompt": "prompt", "response": "completion", "tag": "label"},
    "intel": {"prompt": "question", "response": "completion", "tag": "label"},
    "ultra": {"prompt": "prompt", "response": "completion", "tag": "label"},
}
_CHATS = ("chat_template", "sharegpt", "pygmalion", "orpo.chat_template", "messages")
_TEXTS = ("completion", "pretrain")
# In a `type` that is a mapping: key -> part, and what the keys are called in its formats.
_FIELDS = {
    "field_instruction": "prompt",
    "field_prompt": "prompt",
    "field_input": "query",
    "field_output": "response",
    "field_completion": "response",
    "field_chosen": "chosen",
    "field_rejected": "rejected",
    "field_label": "tag",
}
_WORDS = {"instruction": "prompt", "prompt": "prompt", "input": "query"}
_FORMATS = ("format", "prompt_format")


def datasets(ledger: Ledger, draft: Draft, place: Place) -> None:
    """data.sources and input_template out of every list of datasets."""
    found: list[Rows] = []
    for key, role in (("datasets", None), ("test_datasets", "dev"), ("pretraining_dataset", None)):
        node = ledger.node(key)
        many = node.plain() if node else None
        if isinstance(many, str) and many:  # `pretraining_dataset: HUB/ID`
            found.append(_told(ledger, Rows(place.rows(many), Shape({"prompt": "text"}), role), key))
        for index, one in enumerate(many if isinstance(many, list) else []):
            if isinstance(one, dict) and (one.get("path") or one.get("data_files")):
                found += _dataset(ledger, draft, place, (key, index), role)
    write_rows(draft, found)


def only_text(ledger: Ledger) -> bool:
    """Whether the file trains on plain text alone, which is continued pretraining."""
    many = ledger.value("datasets") or []
    kinds = [one.get("type") if isinstance(one, dict) else None for one in many] if isinstance(many, list) else []
    return ledger.value("pretraining_dataset") is not None or (bool(kinds) and all(kind in _TEXTS for kind in kinds))


def _dataset(ledger: Ledger, draft: Draft, place: Place, at: At, role: str | None) -> Iterator[Rows]:
    """The rows of one entry, one source a file."""
    kind = ledger.value(*at, "type")
    shape = _custom(ledger, draft, at) if isinstance(kind, dict) else _named(ledger, at, str(kind or ""))
    if ledger.value(*at, "ds_type") is not None:
        ledger.left("decided", "tunec goes by the file's ending, or by `format:`", *at, "ds_type")
    path, files = shared.text(ledger, *at, "path"), _files(ledger, at)
    name, split = shared.text(ledger, *at, "name"), shared.text(ledger, *at, "split")
    for key, file in files:
        yield _told(ledger, Rows(place.rows(file), shape, role), *key)
    if path and files:  # the path names a kind of file then, or the repository that the files are in
        ledger.took(targets.SOURCES, *at, "path")
    elif path:
        yield _told(ledger, Rows(place.rows(path, name, split), shape, role), *at, "path")


def _files(ledger: Ledger, at: At) -> list[tuple[Path, str]]:
    """data_files, each with the place that names it."""
    files = ledger.value(*at, "data_files")
    many = files if isinstance(files, list) else []
    listed: list[tuple[Path, Any]] = [((*at, "data_files", index), file) for index, file in enumerate(many)]
    found = listed or [((*at, "data_files"), files)]
    return [(key, file) for key, file in found if isinstance(file, str) and "${" not in file]


def _told(ledger: Ledger, rows: Rows, *path: str | int) -> Rows:
    if rows.found.todo:
        ledger.left("cannot", NOT_HERE, *path)
    else:
        ledger.took(targets.SOURCES, *path)
    return rows


def _named(ledger: Ledger, at: At, kind: str) -> Shape:
    """The shape of a type that is a word."""
    name = kind.split(":")[0]
    if at[0] == "pretraining_dataset" or name in _TEXTS:
        ledger.took(targets.METHOD, *at, "type")
        return Shape({"prompt": _column(ledger, at) or "text"})
    if name.startswith(_CHATS):
        ledger.left("cannot", CHAT, *at, "type")
        return Shape()
    columns = _columns(name, shared.text(ledger, "rl"))
    if columns is None:
        return Shape(unsure="the columns of your rows, in braces")
    if name.startswith("alpaca_w_system"):
        ledger.left("cannot", ONE_SYSTEM_PROMPT, *at, "type")
    ledger.took(targets.SOURCES, *at, "type")
    return Shape(columns)


def _columns(name: str, method: str | None) -> Mapping[str, str] | None:
    last = name.split(".")[-1]  # what stands before it names a chat template
    if method == "kto":
        return _JUDGED.get(last)
    if method:
        return _PAIRS.get(last)
    return _COLUMNS.get(name) or _COLUMNS.get(name.split(".")[0])


def _column(ledger: Ledger, at: At) -> str | None:
    for key in ("field", "text_column"):
        if named := shared.text(ledger, *at, key):
            ledger.took(targets.INPUT_TEMPLATE, *at, key)
            return named
    return None


def _custom(ledger: Ledger, draft: Draft, at: At) -> Shape:
    """The shape of a type that is a mapping: columns by name, and formats over them."""
    columns: dict[str, str] = {}
    for key, part in _FIELDS.items():
        if column := shared.text(ledger, *at, "type", key):
            columns[part] = column
            ledger.took(targets.SOURCES, *at, "type", key)
    prompt = shared.text(ledger, *at, "type", "system_prompt")
    if prompt and not draft.has(targets.SYSTEM_PROMPT):
        draft.put(targets.SYSTEM_PROMPT, prompt)
        ledger.took(targets.SYSTEM_PROMPT, *at, "type", "system_prompt")
    for key in ("field_system", "system_format", "system_prompt"):
        ledger.left("cannot", ONE_SYSTEM_PROMPT, *at, "type", key)
    return Shape(columns or {"prompt": "instruction", "response": "output"}, _format(ledger, at))


def _format(ledger: Ledger, at: At) -> str | None:
    for key in ("no_input_format", "chosen_format", "rejected_format", "completion_format"):
        ledger.left("cannot", "one input_template makes every input; answers stand as they are", *at, "type", key)
    for key in _FORMATS:
        value: Any = ledger.value(*at, "type", key)
        if isinstance(value, str):
            ledger.took(targets.INPUT_TEMPLATE, *at, "type", key)
            return re.sub(r"\{(\w+)\}", lambda found: "{" + _WORDS.get(found[1], found[1]) + "}", value)
    return None
