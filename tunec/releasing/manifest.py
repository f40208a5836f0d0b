"""registry/manifests/NAME.json, and the same bytes as release.json in the release's folder: all that a release is.

release, task, version, date, commit     what it is called, and the commit that it was made on
files        the release's folder: name -> {bytes, sha256, pieces}
build        every file that the build read or wrote: data, splits, base model, adapter, each GGUF, reports
code         kind of stage -> its modules and libraries; config: every key of the task, resolved; of a
             sweep, as the chosen variant has them
compiled     sha256 of task.yaml, of what it compiles to, and of dvc.lock
dataset, base_model, contract, figures, verdict, forced
bom, provenance                          what bom.json and provenance.json say; their bytes follow from it
card         README.md with its change log, of a release that has one before it
signature    {key, public_key} of a release that is signed: sha256 of the public key, and the key in PEM
self         sha256 of all of this without itself
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from compiler import Compiled
from compiler.plan import BUILD
from stages.diagnostics import fail
from stages.rows import read_json
from tunec import dvc
from tunec.releasing import bom, build, digests, provenance
from tunec.releasing.digests import Facts
from tunec.sweeping.naming import config_of

NAME = "release.json"
PACKED = "manifest.json"  # what the package stage writes beside the files
CARD = "README.md"
SELF = "self"
_KEYS = (
    *("release", "task", "version", "date", "commit", "forced", "files", "build", "code", "config", "compiled"),
    *("dataset", "base_model", "contract", "chosen", "figures", "verdict"),
)
_LATER = ("bom", "provenance", "signature", "card")  # that the first releases did not have
_ATTACHED = {bom.NAME: "bom", provenance.NAME: "provenance"}
COMPILED = ("task.yaml", *dvc.COMPILED, "dvc.lock")


def gather(root: Path, lock: Mapping[str, Any], cache: Path, compiled: Compiled) -> dict[str, Any]:
    """What the build holds, its bytes read once. Raises T445 at a file that is not what was written."""
    entries = build.entries(root, lock, cache)
    held = {entry.path: facts for entry, facts in zip(entries, _read(root, entries, cache), strict=True)}
    packed = read_json(root / build.PACKAGE / PACKED)
    scores = read_json(root / build.SCORES)
    _as_packed(packed["files"], held)
    inside = sorted(path for path in held if path.startswith(f"{build.PACKAGE}/"))
    return {
        "files": {path.removeprefix(f"{build.PACKAGE}/"): _entry(root, path, held[path]) for path in inside},
        "build": {path: {**_entry(root, path, facts), "md5": facts.md5} for path, facts in held.items()},
        "code": build.code(root),
        "config": json.loads(json.dumps(config_of(compiled, packed["chosen"]))),
        "compiled": {name: digests.facts(root / name, md5=False).sha256 for name in COMPILED},
        "dataset": _dataset(lock, held, read_json(root / build.SPLITS)),
        "base_model": packed["base_model"],
        "contract": read_json(root / build.CONTRACT),
        "chosen": packed["chosen"],
        "figures": scores["systems"][scores["chosen"]],
        "verdict": read_json(root / build.VERDICT),
    }


def with_papers(whole: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest with its bill of materials and its provenance, both told of in its files."""
    found = {**whole, "bom": bom.bill(whole)}
    found["files"] = {**whole["files"], bom.NAME: _entry_of(papers(found)[bom.NAME])}
    found["provenance"] = provenance.statement(found)
    found["files"] |= {provenance.NAME: _entry_of(papers(found)[provenance.NAME])}
    return found


def with_card(whole: Mapping[str, Any], card: str) -> dict[str, Any]:
    """A manifest with another model card than the build's."""
    return {**whole, "card": card, "files": {**whole["files"], CARD: _entry_of(card.encode())}}


def papers(whole: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a release that no build wrote: they stand in its manifest."""
    attached = {name: _text(whole[key]) for name, key in _ATTACHED.items() if key in whole}
    return {**attached, CARD: whole["card"].encode()} if "card" in whole else attached


def sealed(manifest: Mapping[str, Any]) -> bytes:
    """The manifest as a file, with the hash of itself."""
    whole = {**manifest, SELF: seal(manifest)}
    return _text(whole)


def _text(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1, sort_keys=True) + "\n").encode()


def _entry_of(content: bytes) -> dict[str, Any]:
    sha256 = hashlib.sha256(content).hexdigest()
    return {"bytes": len(content), "sha256": sha256, "pieces": digests.pieces_in(content)}


def seal(manifest: Mapping[str, Any]) -> str:
    bare = {key: value for key, value in manifest.items() if key != SELF}
    return hashlib.sha256(build.canonical(bare).encode()).hexdigest()


def opened(text: bytes | None, shown: str) -> dict[str, Any]:
    """A manifest that was read somewhere. Raises T461 when it is none, T460 when it is not as it was written."""
    try:
        manifest: Any = json.loads(text or b"")
    except (ValueError, RecursionError):
        raise fail(
            "T461", f"{shown} is missing, or no JSON any more", help="`tunec release get NAME` brings it"
        ) from None
    whole = isinstance(manifest, dict) and {*_KEYS, SELF} <= manifest.keys() <= {*_KEYS, *_LATER, SELF}
    if not whole or manifest.get(SELF) != seal(manifest):
        raise fail("T460", f"{shown} is not what was released: its own hash does not fit", help="see `git log`")
    outside = next((name for name in (*manifest["files"], *manifest["build"]) if not build.inside(name)), None)
    if outside is not None:
        raise fail("T460", f"{shown} names a file outside its folder: {outside[:80]!a}", help="do not trust it")
    return dict(manifest)


def _read(root: Path, entries: Sequence[build.Entry], cache: Path) -> list[Facts]:
    gone = [entry.path for entry in entries if not (root / entry.path).is_file()]
    if gone:
        raise fail("T445", f"{_some(gone)} of the build is missing", help="run `tunec build`, which brings it back")
    found = digests.facts_of([root / entry.path for entry in entries])
    pairs = zip(entries, found, strict=True)
    wrong = [entry for entry, facts in pairs if entry.md5 is not None and entry.md5 != facts.md5]
    if wrong:
        notes = tuple(f"{entry.path}: {_place(root, entry, cache)}" for entry in wrong[:5])
        help = "run `tunec verify --mend`, then `tunec build`: it makes them anew"
        raise fail("T445", f"{_some([e.path for e in wrong])} is not what the build wrote", notes=notes, help=help)
    return found


def _place(root: Path, entry: build.Entry, cache: Path) -> str:
    """Where it differs from the cache's copy, if that one is whole."""
    copy = build.cache_object(cache, str(entry.md5))
    if not copy.is_file() or digests.facts(copy).md5 != entry.md5:
        return "its hash is another, and the cache has no whole copy of it"
    return str(digests.first_difference_from(root / entry.path, copy))


def _as_packed(packed: Mapping[str, str], held: Mapping[str, Facts]) -> None:
    """The package's own sha256s were written by another stage's run than ours: they must agree all the same."""
    for name, sha256 in sorted(packed.items()):
        found = held.get(f"{build.PACKAGE}/{name}")
        if found is None or found.sha256 != sha256:
            help = "run `dvc repro --force package`, then commit dvc.lock"
            raise fail("T445", f"{build.PACKAGE}/{name} is not what its manifest says", help=help)


def _entry(root: Path, path: str, facts: Facts) -> dict[str, Any]:
    return {"bytes": facts.bytes, "sha256": facts.sha256, "pieces": digests.pieces(root / path)}


def _dataset(lock: Mapping[str, Any], held: Mapping[str, Facts], splits: Mapping[str, Any]) -> dict[str, Any]:
    """The data's version is the hash of the rows that passed; `sources` are the files that they came from."""
    read = [str(given["path"]) for given in lock.get("data", {}).get("deps", ())]
    sources = {path: held[path].sha256 for path in read if path in held and not path.startswith(f"{BUILD}/")}
    return {"id": held[build.ROWS].sha256, "sources": sources, "rows": splits}


def _some(paths: Sequence[str]) -> str:
    return paths[0] + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
