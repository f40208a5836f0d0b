"""`dataset` and `eval_dataset` of a LLaMA-Factory file, looked up in dataset_info.json."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tunec.importing import shared, targets
from tunec.importing.draft import Draft
from tunec.importing.ledger import Ledger
from tunec.importing.place import Found, Place, hub
from tunec.importing.rows import CHAT, NOT_HERE, ONE_SYSTEM_PROMPT, Rows, Shape, write_rows

# A column of dataset_info.json -> its part, and what the column is called where nothing is said.
_PARTS = {"prompt": "prompt", "query": "query", "response": "response"}
_ALPACA = {"prompt": "instruction", "query": "input", "response": "output"}
_PREFERENCES = {"chosen": "chosen", "rejected": "rejected", "kto_tag": "tag"}
_WHY = {
    "system": ONE_SYSTEM_PROMPT,
    "history": CHAT,
    "messages": CHAT,
    "tools": "tunec trains no tool calls out of conversations",
    "images": "tunec trains on text alone",
    "videos": "tunec trains on text alone",
    "audios": "tunec trains on text alone",
}


def datasets(ledger: Ledger, info: Ledger | None, draft: Draft, place: Place) -> None:
    """data.sources and input_template out of the named datasets."""
    found: list[Rows] = []
    folder = shared.text(ledger, "dataset_dir") or "data"
    plain = shared.text(ledger, "stage") == "pt"
    for key, role in (("dataset", None), ("eval_dataset", "dev")):
        for name in _names(ledger.value(key)):
            known = info is not None and isinstance(info.value(name), dict)
            rows = _described(info, place, name, folder, plain) if info and known else _unknown(name, plain)
            found.append(Rows(rows.found, rows.shape, role))
        _tell(ledger, key, found, info is not None)
    if info:
        _unused(info, [name for key in ("dataset", "eval_dataset") for name in _names(ledger.value(key))])
    write_rows(draft, found)


def _names(value: Any) -> list[str]:
    many = value if isinstance(value, list) else str(value).split(",") if value is not None else []
    return [name for name in (str(one).strip() for one in many) if name]


def _tell(ledger: Ledger, key: str, found: list[Rows], informed: bool) -> None:
    if ledger.value(key) is None:
        return
    if informed or any(not rows.found.todo for rows in found):
        ledger.took(targets.SOURCES, key)
    else:
        ledger.left("cannot", "the names stand in a dataset_info.json: name that file as well", key)


def _unknown(name: str, plain: bool) -> Rows:
    """A dataset that no dataset_info.json describes."""
    target = hub(name).path
    todo = f"bring the dataset `{name}` to {target}, or name its dataset_info.json as well"
    columns = {"prompt": "text"} if plain else _ALPACA
    return Rows(Found(target, todo=todo), Shape(columns, unsure="the columns of your rows, in braces"))


def _described(info: Ledger, place: Place, name: str, folder: str, plain: bool) -> Rows:
    """A dataset as dataset_info.json describes it."""
    found = _place(info, place, name, folder)
    chat = shared.text(info, name, "formatting") == "sharegpt"
    columns = dict(_columns(info, name, chat, plain))
    info.left("cannot", CHAT, name, "tags")
    if chat:
        info.left("cannot", CHAT, name, "formatting")
    else:
        info.took(targets.SOURCES, name, "formatting")
    info.took(targets.METHOD, name, "ranking")
    return Rows(found, Shape(columns))


def _place(info: Ledger, place: Place, name: str, folder: str) -> Found:
    """Where the rows are; a hub comes before a file, as it does there."""
    for key in ("hf_hub_url", "ms_hub_url", "om_hub_url", "file_name"):
        if written := shared.text(info, name, key):
            found = _found(info, place, name, key, written, folder)
            info.left("cannot", NOT_HERE, name, key) if found.todo else info.took(targets.SOURCES, name, key)
            return found
    return hub(name)


def _found(info: Ledger, place: Place, name: str, key: str, written: str, folder: str) -> Found:
    if key == "file_name":
        return place.rows(written, folder=folder)
    found = hub(written, shared.text(info, name, "subset"), shared.text(info, name, "split"))
    if key == "hf_hub_url":
        return found
    where = "ModelScope" if key == "ms_hub_url" else "Modelers"
    return Found(found.path, todo=f"download the dataset `{name}` from {where} to {found.path}")


def _columns(info: Ledger, name: str, chat: bool, plain: bool) -> Iterator[tuple[str, str]]:
    """Part -> column, of what is said and of what is left to its default."""
    said = info.value(name, "columns")
    said = said if isinstance(said, dict) else {}
    for key, why in _WHY.items():
        info.left("cannot", why, name, "columns", key)
    parts = {**({} if chat else _PARTS), **_PREFERENCES}
    for key, part in parts.items():
        column = shared.text(info, name, "columns", key)
        if column:
            info.took(targets.SOURCES, name, "columns", key)
            yield part, column
    ranked = shared.flag(info, name, "ranking")
    if not said and not chat:
        for part, column in _ALPACA.items():
            if not ((plain and part != "prompt") or (ranked and part == "response")):
                yield part, column


def _unused(info: Ledger, used: list[str]) -> None:
    for name in info.tree.value:
        if name not in used:
            info.left("idle", "this training does not use it", name)
