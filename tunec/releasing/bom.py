"""What a release is made of, as a CycloneDX bill of materials: bom.json in its folder.

The model with its model card, and beside it the base model, every data file that the user brought, and every library
that a stage computed with; each with its hash or version, and its licence where it names one.
Source: CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/. The library writes everything but model cards.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tunec.releasing import licensing, provenance

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component

NAME = "bom.json"
_OURS = uuid.UUID("6f0c5b5e-9d0e-5c1b-9b53-2f1b7f5d4a10")  # the namespace of our serial numbers
_MODEL, _BASE = "model", "base-model"


def bill(whole: Mapping[str, Any]) -> dict[str, Any]:
    """whole: a manifest, which alone decides: the bill's serial number is a hash, its time the release's day."""
    from cyclonedx.output.json import JsonV1Dot6

    written = json.loads(JsonV1Dot6(_bom(whole)).output_as_string())
    written["metadata"]["component"]["modelCard"] = _card(whole)
    return dict(written)


def _bom(whole: Mapping[str, Any]) -> Bom:
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType, Pedigree
    from cyclonedx.model.tool import ToolRepository

    from tunec import __version__

    data = [*_data(whole)]
    model = Component(
        name=str(whole["task"]),
        version=str(whole["version"]),
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=_MODEL,
        description=_goal(whole),
        hashes=_hash(whole["files"]["model.gguf"]["sha256"]),
        licenses=_licence(licensing.licence(whole)),
        pedigree=Pedigree(ancestors=[_base(whole, f"{_MODEL}:{_BASE}")]),
    )
    bom = Bom(
        serial_number=uuid.uuid5(_OURS, f"{whole['release']} {whole['compiled']['dvc.lock']}"),
        metadata=BomMetaData(
            component=model,
            timestamp=datetime.fromisoformat(str(whole["date"])).replace(tzinfo=UTC),
            tools=ToolRepository(components=[Component(name="tunec", version=__version__)]),
        ),
        components=[_base(whole), *data, *_libraries(whole)],
    )
    bom.register_dependency(model, bom.components)
    return bom


def _base(whole: Mapping[str, Any], ref: str = _BASE) -> Component:
    """The base model. A hash of one file is the component's own; those of several stand as files inside it.

    ref: its name in the bill, in which no other component may have that.
    """
    from cyclonedx.model.component import Component, ComponentType

    made = whole["base_model"]
    model, files = made["model"], made["files"]
    single = files[0]["sha256"] if len(files) == 1 else None
    inside = [
        Component(
            name=file["name"], type=ComponentType.FILE, bom_ref=f"{ref}:{file['name']}", hashes=_hash(file["sha256"])
        )
        for file in (files if single is None else ())
    ]
    return Component(
        name=str(model.get("repo") or model["name"]),
        version=str(model["revision"]) if model.get("revision") else None,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=ref,
        hashes=_hash(single),
        licenses=_licence(model.get("license")),
        purl=_purl(model),
        components=inside,
    )


def _data(whole: Mapping[str, Any]) -> Iterator[Component]:
    from cyclonedx.model.component import Component, ComponentType

    licences = licensing.of_files(whole)
    for path, sha256 in sorted(whole["dataset"]["sources"].items()):
        kind, ref = ComponentType.DATA, f"data:{path}"
        yield Component(name=path, type=kind, bom_ref=ref, hashes=_hash(sha256), licenses=_licence(licences.get(path)))


def _libraries(whole: Mapping[str, Any]) -> Iterator[Component]:
    from cyclonedx.model.component import Component
    from packageurl import PackageURL

    for name, version in provenance.libraries(whole["code"]):
        yield Component(
            name=name, version=version, purl=PackageURL("pypi", None, name, version), bom_ref=f"{name}@{version}"
        )


def _purl(model: Mapping[str, Any]) -> Any:
    from packageurl import PackageURL

    if not model.get("repo"):
        return None
    owner, _, name = str(model["repo"]).rpartition("/")
    return PackageURL("huggingface", owner or None, name, model.get("revision"))


def _hash(sha256: str | None) -> list[Any]:
    from cyclonedx.model import HashAlgorithm, HashType

    return [HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else []


def _licence(name: str | None) -> list[Any]:
    """By its SPDX id where there is one; SPDX knows none of llama3.2 or gemma."""
    from cyclonedx import spdx
    from cyclonedx.model.license import DisjunctiveLicense

    if not name:
        return []
    known = spdx.fixup_id(name)
    return [DisjunctiveLicense(id=known) if known else DisjunctiveLicense(name=name)]


def _goal(whole: Mapping[str, Any]) -> str | None:
    goal = whole["config"].get("goal")
    return str(goal) if goal else None


def _card(whole: Mapping[str, Any]) -> dict[str, Any]:
    """What it was made for and from, and what was measured: CycloneDX's own words for a model card."""
    config, contract = whole["config"], whole["contract"]
    considered = {"useCases": _goal(whole), "technicalLimitations": config.get("non_goals")}
    return {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": str(config["task_type"]),
            "datasets": [{"ref": f"data:{path}"} for path in sorted(whole["dataset"]["sources"])],
            "inputs": [{"format": "text"}],
            "outputs": [{"format": str(contract["type"])}],
        },
        "quantitativeAnalysis": {
            "performanceMetrics": [_metric(name, figure) for name, figure in sorted(whole["figures"].items())]
        },
        "considerations": {key: [str(said)] for key, said in considered.items() if said},
    }


def _metric(name: str, figure: Mapping[str, float]) -> dict[str, Any]:
    bounds = {"lowerBound": f"{figure['low']:.6f}", "upperBound": f"{figure['high']:.6f}"}
    return {"type": name, "value": f"{figure['value']:.6f}", "slice": "test", "confidenceInterval": bounds}
