"""`quantization: small`: a preset by its name, in the task, on the command line and in a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.compiling import MINIMAL, ROWS, compiled, refused, shipped
from tunec.compiling import compile_workspace
from tunec.explaining import explain
from tunec.sweeping.jobs import as_overrides, rewritten

SMALL = ["q4_k_m", "iq4_xs", "q3_k_m"]


def quantization(text: str, *overrides: str) -> Any:
    return compiled(text, overrides=list(overrides)).task.quantization


@pytest.mark.parametrize("name", sorted(shipped()["quantization"]))
def test_every_preset_compiles(name: str) -> None:
    found = compiled(f"{MINIMAL}quantization: {name}\n")
    assert found.task.quantization.preset == name and not found.warnings


def test_what_a_task_writes_lies_above_its_preset() -> None:
    found = quantization(f"{MINIMAL}quantization: {{preset: small, max_drop: 0.1}}\n")
    assert (found.formats, found.max_drop, found.imatrix) == (SMALL, 0.1, 200)


def test_a_task_that_names_none_has_the_balanced_one() -> None:
    assert quantization(MINIMAL) == quantization(f"{MINIMAL}quantization: balanced\n")


@pytest.mark.parametrize("written", ["q8_0", "[q8_0]", "{formats: q8_0}"])
def test_a_format_is_short_for_a_list_of_one(written: str) -> None:
    assert quantization(f"{MINIMAL}quantization: {written}\n").formats == ["q8_0"]


def test_a_preset_on_the_command_line_outdoes_what_the_task_writes_of_it() -> None:
    written = f"{MINIMAL}quantization: {{formats: [q8_0], max_drop: 0.1, divergence: 5}}\n"
    found = quantization(written, "quantization=small")
    assert (found.formats, found.max_drop, found.divergence) == (SMALL, 0.05, 5)
    assert quantization(written, "quantization=q6_k").formats == ["q6_k"]
    assert quantization(written, "quantization=small", "quantization.max_drop=0.2").max_drop == 0.2


def test_in_a_sweep_a_preset_stands_for_its_formats() -> None:
    swept = compiled(f"{MINIMAL}sweep: {{quantization: [small, q8_0, q4_k_m]}}\n")
    assert len(swept.variants) == 1
    assert sorted(swept.variants[0].lookup("quantization.formats")) == sorted([*SMALL, "q8_0"])


def test_hydra_s_words_name_a_preset_or_formats() -> None:
    given = ["quantization=small", "quantization=q8_0", "quantization=small,q8_0"]
    assert [rewritten([word], {"sweep"})[0] for word in given] == [
        "++quantization.preset=small",
        "++quantization.formats=q8_0",
        "++quantization.formats=small,q8_0",
    ]
    jobs = [{"quantization.formats": "small"}, {"quantization.formats": "q8_0"}]
    assert compiled(overrides=as_overrides(jobs)).variants[0].lookup("quantization.formats") == [*SMALL, "q8_0"]
    assert quantization(MINIMAL, *as_overrides([{"quantization.formats": "q8_0"}])).formats == ["q8_0"]


def test_explain_names_the_preset_that_sets_a_format(tmp_path: Path) -> None:
    own = tmp_path / "conf" / "quantization" / "mine.yaml"
    for path, text in ((tmp_path / ROWS, ""), (own, "quantization: {formats: [q6_k], max_drop: 0.3}\n")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "task.yaml").write_text(f"{MINIMAL}quantization: mine\n", encoding="utf-8")
    assert compile_workspace(tmp_path, []).task.quantization.formats == ["q6_k"]
    assert "conf/quantization/mine.yaml:1" in explain(tmp_path, "quantization.formats", []).text()
    assert "mine" in explain(tmp_path, "quantization.preset", []).text()
    told = explain(tmp_path, "quantization.formats", ["quantization=small"]).text()
    assert told.startswith("quantization.formats = [q4_k_m, iq4_xs, q3_k_m]")


def test_a_misspelt_preset_is_told_with_those_that_there_are() -> None:
    (found,) = refused(f"{MINIMAL}quantization: smal\n")
    assert (found.code, found.help) == ("T770", "did you mean `small`?")
