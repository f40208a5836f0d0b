"""From Hydra's jobs to points of a sweep: what each job's config says otherwise than the task."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from compiler.quantizing import PRESET
from compiler.resolve import did_you_mean
from compiler.sweep import FORMATS, SHORT, full
from compiler.task import Task, keys
from compiler.validate import known_key
from stages.catalog import QUANTIZATIONS
from stages.diagnostics import Diagnostic, UserError, fail

Values = dict[str, Any]  # full key -> value
_WORD = re.compile(r"(?P<sign>~|\+{0,2})(?P<key>[^=@]+)(?P<rest>(@[^=]*)?(=.*)?)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_HYDRA = ("hydra.", "hydra/")


def rewritten(arguments: Sequence[str], groups: Iterable[str]) -> list[str]:
    """The words of a command line as Hydra is to get them: short names in full, and keys of the schema so that they
    need not stand in the task. groups: the config groups that there are.

    Raises UserError: T510 for a key that neither the schema nor conf/ knows, T009 for one that would build an object.
    """
    known = sorted(groups)
    found: list[Diagnostic] = []
    words = []
    for word in arguments:
        parts = _WORD.fullmatch(word)
        if word.startswith("-") or parts is None:
            words.append(word)
            continue
        problem = _problem(parts["key"], known)
        found += [problem] if problem else []
        words.append(_word(parts, known))
    if found:
        raise UserError(*found)
    return words


def _word(parts: re.Match[str], groups: list[str]) -> str:
    key = full(parts["key"])
    if parts["key"] == "quantization" and _names_a_preset(parts["rest"][1:]):  # the whole of it, not its formats alone
        return f"++{PRESET}{parts['rest']}"
    if key.startswith(_HYDRA) or parts["sign"] == "~":
        return parts[0]
    if key == parts["key"] and (key in groups or key.split("/")[0] in groups):  # `sweep`, or a group of the workspace
        return f"+{key}{parts['rest']}"
    return f"++{key}{parts['rest']}"


def _names_a_preset(value: str) -> bool:
    return bool(_NAME.fullmatch(value)) and value not in QUANTIZATIONS


def _problem(key: str, groups: list[str]) -> Diagnostic | None:
    if "_target_" in key.split("."):
        message = "`_target_` would build an object, which tunec never does"
        return Diagnostic("T009", message, help="remove the key")
    if key in SHORT or key.startswith(_HYDRA) or key.split("/")[0] in groups or known_key(key.split(".")):
        return None
    help = did_you_mean(key, [*SHORT, *keys(Task), *groups]) or "`tunec schema` lists all keys"
    return Diagnostic("T510", f"unknown key `{key}`", help=help)


def groups(root: Path) -> set[str]:
    """The config groups that `+GROUP=NAME` may name: `sweep`, and the folders of the workspace's own conf/ that the
    compiler does not lay below the task by itself.
    """
    own = {folder.name for folder in (root / "conf").glob("*") if folder.is_dir()}
    return {"sweep"} | (own - {"base_model", "method", "task_type", *SHORT})


# ---------------------------------------------------------------- jobs


def values(config: Mapping[str, Any], task: Mapping[str, Any], overrides: Iterable[str]) -> Values:
    """What a job's config says otherwise than the task, and what it was given although the task says the same.

    overrides: the job's own, as Hydra spells them: `++training.lora.r=8`.
    """
    before, now = dict(_leaves(task)), dict(_leaves(config))
    found = {key: value for key, value in now.items() if key not in before or before[key] != value}
    for override in overrides:
        key = override.partition("=")[0].lstrip("+~")
        if key in now:
            found[key] = now[key]
    return dict(sorted(found.items(), key=lambda item: list(now).index(item[0])))


def _leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key that holds no mapping; a sweep is one value, for its own keys have dots."""
    for name, value in tree.items():
        key = f"{path}{name}"
        if isinstance(value, Mapping) and value and key != "sweep":
            yield from _leaves(value, f"{key}.")
        else:
            yield key, value


def as_overrides(jobs: Sequence[Values]) -> list[str]:
    """The overrides that make one task of all jobs: what they share, and `sweep=[...]` for what they differ in."""
    points = [point for job in jobs for point in _expanded(job)]
    every = list(dict.fromkeys(key for point in points for key in point))
    shared = {key: _whole(key, points[0][key]) for key in every if _same(key, points)}
    varying = [{key: value for key, value in point.items() if key not in shared} for point in points]
    written = [f"{key}={_json(value)}" for key, value in shared.items()]
    return [*written, f"sweep={_json(varying)}"] if any(varying) else written


def _whole(key: str, value: Any) -> Any:
    """A value as the task has it: a sweep tries one format at a time, the task has a list of them."""
    return [value] if key == FORMATS and isinstance(value, str) else value


def _same(key: str, points: Sequence[Values]) -> bool:
    return all(key in point and point[key] == points[0][key] for point in points)


def _expanded(job: Values) -> Iterator[Values]:
    """A job whose config holds a sweep of its own (`+sweep=NAME`) is as many points as that has."""
    given = {key: value for key, value in job.items() if key != "sweep"}
    for point in expanded(job.get("sweep")):
        yield {**point, **given}


def expanded(sweep: Any) -> Iterator[Values]:
    """The points of a sweep in either form, by full keys; one that changes nothing where there is none.

    Raises T013 for what is neither.
    """
    if not sweep:
        yield {}
    elif isinstance(sweep, Mapping) and all(isinstance(value, list) for value in sweep.values()):
        axes = [[(full(key), value) for value in values] for key, values in sweep.items()]
        yield from map(dict, itertools.product(*axes))
    elif isinstance(sweep, list) and all(isinstance(point, Mapping) for point in sweep):
        yield from ({full(key): value for key, value in point.items()} for point in sweep)
    else:
        help = "write {training.lora.r: [8, 16]}, or a list of points"
        raise fail("T013", "`sweep`: expected a mapping of lists, or a list of mappings", help=help)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
