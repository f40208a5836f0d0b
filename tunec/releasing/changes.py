"""What changed from one release to the next build, how much that weighs, and why: the next version's number.

contract or labels: major · data, base model, recipe, code: minor · everything else, such as the card: patch
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compiler.versions import Level
from stages.rows import dumps
from tunec.changes import told_apart
from tunec.releasing import build

_WEIGHT: dict[Level, int] = {"patch": 0, "minor": 1, "major": 2}
# Keys of task.yaml that make neither the model nor its contract: what is said of it, and how it is measured.
_ABOUT = (
    "task_name",
    "version",
    "domain",
    "language",
    "goal",
    "non_goals",
    "expert_review",
    "baselines",
    "evaluation",
    "success_criteria",
    "cost",
    "license",
    "sweep",
)
_SERVED = ("evaluation.max_new_tokens", "evaluation.decoding")  # of these, how the released model answers as well
_ASIDE = ("versioning", "execution")  # how and where it is done, nothing of what is released
_MAKERS = ("augment", "data", "export", "model", "quantize", "select", "splits", "train")
_CONTRACT = ("output_format", "input_template")
_FILES = ("data.files", "evaluation.remembered")  # what lies in the workspace, not what the task says
_LONGEST = 60  # characters of a value


@dataclass(frozen=True)
class Change:
    """One thing that is not as it was, in words."""

    level: Level
    what: str


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """What makes `after` another release than `before`, weightiest first. Both are manifests."""
    found = [*_contract(before, after), *_config(before, after), *_data(before, after), *_model(before, after)]
    if not found:
        found = list(_files(before, after))
    return sorted(dict.fromkeys(found), key=lambda change: -_WEIGHT[change.level])


def level(found: Sequence[Change]) -> Level:
    """The weightiest; a first release, in which nothing changed, is a major one."""
    return max((change.level for change in found), key=_WEIGHT.__getitem__, default="major")


def config_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(key, old value, new value) of every key of the task that differs, sorted; None for one that is not there."""
    yield from _leaves(before["config"], after["config"], "")


def _leaves(before: Any, after: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    before, after = told_apart(before), told_apart(after)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from _leaves(before.get(key), after.get(key), f"{path}.{key}" if path else key)
    elif before != after:
        yield path, before, after


def _contract(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """What a caller must know: the form of the input, the form of the answer, and the labels."""
    old, new = before["contract"], after["contract"]
    if old["type"] != new["type"]:
        yield Change("major", f"the contract is {new['type']}, was {old['type']}")
    was, now = _labels(old["schema"]), _labels(new["schema"])
    for where in sorted(was.keys() | now.keys()):
        of = f" of `{where}`" if where else ""
        for gone in sorted(was.get(where, set()) - now.get(where, set())):
            yield Change("major", f"the label {gone}{of} is gone")
        for added in sorted(now.get(where, set()) - was.get(where, set())):
            yield Change("major", f"the label {added}{of} is new")
    if old["schema"] != new["schema"] and was == now:
        paths = sorted({path for path, _, _ in _leaves(old["schema"], new["schema"], "")})
        yield Change("major", f"the contract's schema changed: {', '.join(paths[:5])}")
    spelt = _spelt(before), _spelt(after)
    if old["schema"] == new["schema"] and None not in spelt and spelt[0] != spelt[1]:
        yield Change("major", "the contract's fields stand in another order")
    if old["input_template"] != new["input_template"]:
        yield Change("major", f"input_template {_pair(old['input_template'], new['input_template'])}")


def _spelt(whole: Mapping[str, Any]) -> str | None:
    """The schema in its own order, which is that of an answer's fields; None of a manifest that holds it sorted."""
    schema = whole["config"]["output_format"]["schema"]
    return dumps(json.loads(schema)) if isinstance(schema, str) else None  # however it was spaced


def _labels(schema: Any, path: str = "") -> dict[str, set[str]]:
    """Place in the schema -> its enum's values."""
    found: dict[str, set[str]] = {}
    if isinstance(schema, Mapping):
        if isinstance(schema.get("enum"), list):
            found[path] = {str(value) for value in schema["enum"]}
        for key, inner in schema.items():
            found |= _labels(inner, path if key in ("properties", "items") else f"{path}.{key}".lstrip("."))
    return found


def _config(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for key, old, new in config_changes(before, after):
        section = key.split(".")[0]
        if section not in (*_CONTRACT, *_ASIDE) and key not in _FILES:  # the contract is told above, data below
            yield Change("patch" if section in _ABOUT and key not in _SERVED else "minor", f"{key} {_pair(old, new)}")


def _data(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    old, new = before["dataset"], after["dataset"]
    if old["id"] != new["id"]:
        rows = ", ".join(f"{n} {old['rows'].get(n)} -> {new['rows'].get(n)}" for n in ("train", "dev", "test"))
        yield Change("minor", f"the rows changed ({rows})")
    elif old["rows"] != new["rows"]:
        yield Change("minor", "the same rows are split otherwise")


def _model(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    if before["base_model"] != after["base_model"]:
        old, new = (manifest["base_model"]["model"]["name"] for manifest in (before, after))
        yield Change("minor", f"the base model is {new}, was {old}" if old != new else f"the base model {new} changed")
    sha = [manifest["files"].get("model.gguf", {}).get("sha256") for manifest in (before, after)]
    if sha[0] != sha[1]:
        yield Change("minor", f"the model's bytes are others{_code(before['code'], after['code'])}")


def _code(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Which modules and libraries are others, of the stages that make the model."""
    old, new = ({k: v for kind in _MAKERS for k, v in code.get(kind, {}).items()} for code in (before, after))
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return f" ({', '.join(names[:5])}{', …' if len(names) > 5 else ''} changed)" if names else ""


def _files(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    old, new = _packed(before), _packed(after)
    yield from (
        Change("patch", f"{name} changed") for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)
    )


def _packed(whole: Mapping[str, Any]) -> dict[str, str]:
    """The sha256 of each file that the build packed: what a release adds to them names the release."""
    home = f"{build.PACKAGE}/"
    return {path.removeprefix(home): of["sha256"] for path, of in whole["build"].items() if path.startswith(home)}


def _pair(old: Any, new: Any) -> str:
    return f"{_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:
    text = "nothing" if value is None else " ".join(str(value).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
