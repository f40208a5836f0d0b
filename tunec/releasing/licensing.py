"""The licence that a release is under, and whether the licences of what it is made from allow it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from compiler import licences
from compiler.licences import Part
from stages.diagnostics import fail


def licence(whole: Mapping[str, Any]) -> str | None:
    """whole: a manifest. None where nothing names one."""
    return licences.released(whole["config"].get("versioning", {}).get("license"), _parts(whole))


def of_files(whole: Mapping[str, Any]) -> dict[str, str]:
    """Data file -> the licence of the source that reads it; of two sources, the first that names one."""
    stated = {source["path"]: source["license"] for source in _stated(whole)}
    files = ((file, stated.get(s["path"])) for s in whole["config"]["data"]["sources"] for file in s["files"])
    return {file: name for file, name in reversed([*files]) if name}


def require_none_broken(whole: Mapping[str, Any], what: str) -> None:
    """Raises T562 when a licence does not let a model that is made so be given away. what: is refused, in words."""
    broken = tuple(licences.conflicts(licence(whole), _parts(whole)))
    if broken:
        help = "choose another base model or other data, or write the licence that they ask for as `versioning.license`"
        raise fail("T562", f"{what} would break a licence", notes=broken, help=help)


def words(whole: Mapping[str, Any]) -> Iterator[str]:
    """What a person reads: the release's licence, and what names none."""
    silent = [] if whole["base_model"]["model"].get("license") else [f"the base model {_model(whole)}"]
    named = of_files(whole)
    silent += [path for path in sorted(whole["dataset"]["sources"]) if path not in named]
    more = f" and {len(silent) - 2} more" if len(silent) > 2 else ""
    yield f"{licence(whole) or 'none'}" + (f"; {', '.join(silent[:2])}{more} name none" if silent else "")


def _parts(whole: Mapping[str, Any]) -> list[Part]:
    stated = [(str(source["path"]), str(source["license"])) for source in _stated(whole)]
    return licences.parts(whole["base_model"]["model"].get("license"), _model(whole), stated)


def _stated(whole: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list((whole["config"].get("license") or {}).get("data") or ())


def _model(whole: Mapping[str, Any]) -> str:
    return str(whole["base_model"]["model"]["name"])
