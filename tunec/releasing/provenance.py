"""Where a release's files come from, as an in-toto statement with SLSA's provenance: provenance.json in its folder.

It says nothing that the manifest does not; it says it in the words that other tools read. The same release gives the
same bytes: no time of day, no machine, no path outside the workspace.
Sources: in-toto.io/Statement/v1, slsa.dev/spec/v1.0/provenance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from compiler.plan import BUILD

NAME = "provenance.json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
_TYPE, _BUILDER = "urn:tunec:build:v1", "urn:tunec:builder"  # docs/releasing.md says what they stand for
_REPORTS = ("data/report.json", "splits/report.json", "score/scores.json", "gate/verdict.json", "report/report.html")


def statement(whole: Mapping[str, Any]) -> dict[str, Any]:
    """whole: a manifest. Its subjects are every file of the folder but release.json and this one."""
    return {
        "_type": STATEMENT,
        "subject": [_resource(name, entry) for name, entry in sorted(whole["files"].items()) if name != NAME],
        "predicateType": PREDICATE,
        "predicate": {"buildDefinition": _definition(whole), "runDetails": _run(whole)},
    }


def _definition(whole: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "buildType": _TYPE,
        "externalParameters": {"task": whole["task"], "task.yaml": {"sha256": whole["compiled"]["task.yaml"]}},
        "internalParameters": {
            "compiled": {name: {"sha256": sha256} for name, sha256 in sorted(whole["compiled"].items())},
            "config": whole["config"],
        },
        "resolvedDependencies": [*_dependencies(whole)],
    }


def _dependencies(whole: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The commit, what the user brought, the base model, and every library that a stage computed with."""
    yield {"name": "source", "digest": {"gitCommit": whole["commit"]}}
    brought = (item for item in sorted(whole["build"].items()) if not item[0].startswith(f"{BUILD}/"))
    yield from (_resource(path, entry) for path, entry in brought)
    model = whole["base_model"]
    for file in model["files"]:
        yield {"name": f"base model {model['model']['name']}: {file['name']}", "digest": {"sha256": file["sha256"]}}
    yield from ({"name": name, "uri": f"pkg:pypi/{name}@{version}"} for name, version in libraries(whole["code"]))


def _run(whole: Mapping[str, Any]) -> dict[str, Any]:
    from tunec import __version__

    files = whole["build"]
    reports = [f"{BUILD}/{name}" for name in _REPORTS if f"{BUILD}/{name}" in files]
    return {
        "builder": {"id": _BUILDER, "version": {"tunec": __version__}},
        "metadata": {"invocationId": whole["compiled"]["dvc.lock"]},
        "byproducts": [_resource(path, files[path]) for path in reports],
    }


def libraries(code: Mapping[str, Mapping[str, str]]) -> list[tuple[str, str]]:
    """(distribution, version) of what the stages computed with, sorted; modules of their own are no libraries."""
    parts = {pair for kind in code.values() for pair in kind.items()}
    return sorted(p for p in parts if not p[0].startswith("stages/") and p[0] != "python" and p[1] != "absent")


def _resource(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": entry["sha256"]}}
