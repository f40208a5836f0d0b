"""Every template builds to a verdict, on its own real rows, with the tiny model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.builds.conftest import Workspace
from tests.tiny import tiny_model
from tunec.initializing import initialize

TEMPLATES = Path(__file__).parent.parent.parent / "tunec" / "templates"
NAMES = sorted(path.parent.name for path in TEMPLATES.glob("*/task.yaml"))
SHORTEST = 40  # rows: the tiny model knows few words, so a text takes many of its 4,096 tokens
QUICK = ("planning", "tool_calling")  # one of texts, one of the longest contract
pytestmark = pytest.mark.slow


def small(root: Path, name: str, bin: Path) -> Workspace:
    """The template with its shortest rows, as many of each label as there are."""
    initialize(root, name)
    file = root / "data" / "raw" / "rows.jsonl"
    lines = sorted(file.read_text(encoding="utf-8").splitlines(), key=lambda line: len(line.encode()))
    labels: dict[str, list[str]] = {}
    for line in lines:
        labels.setdefault(json.loads(line).get("label", ""), []).append(line)
    kept = [line for found in labels.values() for line in found[: max(12, SHORTEST // len(labels))]]
    file.write_text("\n".join(kept) + "\n", encoding="utf-8")
    task = root / "task.yaml"
    text = task.read_text(encoding="utf-8").replace("smollm2-135m", "models/tiny").replace("epochs: 2", "epochs: 0.2")
    text = text.replace("formats: [q8_0, q4_k_m]", "formats: [q4_0]")
    text = re.sub(r"max_new_tokens: \d+", "max_new_tokens: 16", text)
    if "max_new_tokens" not in text:
        text = text.replace("evaluation:\n", "evaluation:\n  max_new_tokens: 16\n") if "evaluation:" in text else text
    text += "" if "max_new_tokens" in text else "evaluation: {max_new_tokens: 16}\n"
    task.write_text(text, encoding="utf-8")
    tiny_model(root / "models" / "tiny", context=4096)
    return Workspace(root, bin)


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.thorough) for name in NAMES],
)
def test_a_template_builds_to_a_verdict(name: str, tmp_path: Path, zygote: Path) -> None:
    workspace = small(tmp_path / "w", name, zygote / "bin")
    workspace.tunec("build", code=2)  # random weights reach no threshold
    report = json.loads((tmp_path / "w" / "build" / "report" / "report.json").read_text(encoding="utf-8"))
    assert report["verdict"] in ("do_not_ship", "not_enough_evidence")
    data = json.loads((tmp_path / "w" / "build" / "data" / "report.json").read_text(encoding="utf-8"))
    assert data["rejected"] <= data["duplicates"] + 2, data["reasons"]


def test_there_is_one_for_every_task_type() -> None:
    from tunec.coaching.questions import TASK_TYPES

    assert set(NAMES) == set(TASK_TYPES)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_names_where_its_rows_are_from_and_their_licence(name: str) -> None:
    note = (TEMPLATES / name / "data" / "raw" / "README.md").read_text(encoding="utf-8")
    task = (TEMPLATES / name / "task.yaml").read_text(encoding="utf-8")
    licence = re.search(r"license: (\S+)", task)
    assert licence and "https://" in note
    assert licence[1].replace("-", "").replace(".", "") in note.lower().replace(" ", "").replace("-", "").replace(
        ".", ""
    )
    rows = (TEMPLATES / name / "data" / "raw" / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert f"{len(rows)} rows" in note
