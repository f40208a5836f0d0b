"""Golden folders. accepts/CASE: task.yaml, and what it compiles to: dvc.yaml, params.yaml, and .tunec/dvc.yaml as
guard.yaml. rejects/CODE-name: task.yaml, and what `tunec check` says of it.  files.txt, where there is one, names
the files of the workspace; overrides.txt holds one override a line; data/ holds files of rows; prompts/ prompts;
conf/ presets of its own; labels.txt the labels that an earlier build found.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler import compile_task
from compiler.parse import ParseError
from compiler.workspace import Peek, Preset
from tests.compiling import MINIMAL, ROOT, ROWS, compiled, shipped, shown, told
from tests.in_memory import Memory
from tunec.compiling import files
from tunec.peeking import peek
from tunec.workspace import Disk

HERE = Path(__file__).parent
ACCEPTS = sorted((HERE / "accepts").iterdir())
REJECTS = sorted((HERE / "rejects").iterdir())
Golden = Callable[[Path, str], None]


@pytest.mark.parametrize("case", ACCEPTS, ids=lambda case: case.name)
def test_a_task_compiles_to_these_bytes(case: Path, golden: Golden) -> None:
    found = compiled(_text(case), *_lines(case, "files.txt"), overrides=_lines(case, "overrides.txt"))
    assert not found.warnings
    golden(case / "dvc.yaml", found.dvc_yaml)
    golden(case / "params.yaml", found.params_yaml)
    golden(case / "guard.yaml", found.guard_yaml)


def test_the_example_in_the_root_is_compiled_fresh() -> None:
    found = compile_task((ROOT / "task.yaml").read_text(encoding="utf-8"), Disk(ROOT))
    for name, text in files(found).items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"{name} is stale: run `tunec compile`"


@pytest.mark.parametrize("case", REJECTS, ids=lambda case: case.name)
def test_a_mistake_is_told_with_its_place_and_its_cure(case: Path, golden: Golden) -> None:
    text, peeks = _text(case), _peeks(case)
    prompts = {f"prompts/{file.name}": file.read_text(encoding="utf-8") for file in sorted(case.glob("prompts/*"))}
    files = [*_lines(case, "files.txt"), *peeks, *prompts]
    counted = dict.fromkeys(_lines(case, "labels.txt"), 1)
    own = {f.relative_to(case).as_posix(): f.read_text(encoding="utf-8") for f in sorted(case.glob("conf/*/*.yaml"))}
    found = told(
        text, *files, overrides=_lines(case, "overrides.txt"), peeks=peeks, counted=counted, own=own, texts=prompts
    )
    assert case.name.split("-")[0] in {diagnostic.code for diagnostic in found}
    assert all(diagnostic.span and diagnostic.help for diagnostic in found)
    golden(case / "stderr.txt", shown(found, text, own))


@pytest.mark.parametrize(
    ("written", "what", "help"),
    [
        (b"\xff\xfe{{ tag }}", "is no UTF-8 text", "save it as UTF-8"),
        (b" " * 4_000_001, "is too large: 4,000,001 bytes", "shorten it; rows belong in data.sources"),
    ],
)
def test_a_prompt_that_is_no_text_says_why(written: bytes, what: str, help: str, tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "rows.jinja").write_bytes(written)
    task = (HERE / "rejects" / "T748-broken" / "task.yaml").read_text(encoding="utf-8")
    with pytest.raises(ParseError) as error:
        compile_task(task, Disk(tmp_path))
    (found,) = (one for one in error.value.diagnostics if one.code == "T748")
    assert (found.message, found.help) == (f"the prompt `prompts/rows.jinja` {what}", help)


def test_every_code_of_the_compiler_has_a_case() -> None:
    sources = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "compiler").rglob("*.py"))
    raised = set(re.findall(r'"(T\d{3})"', sources))
    cases = {case.name.split("-")[0] for case in REJECTS}
    assert raised - {"T002"} == cases, (
        "a code without a case, or a case without a code"
    )  # T002 is a file of 1 MB, see test_yaml


def _peeks(case: Path) -> dict[str, Peek]:
    """What the data files of a case show, which lie in its folder as they would in a workspace."""
    found = {file.relative_to(case).as_posix(): peek(file, "auto") for file in sorted(case.glob("data/**/*.*"))}
    return {name: shown for name, shown in found.items() if shown}


def _text(case: Path) -> str:
    return (case / "task.yaml").read_text(encoding="utf-8")


def _lines(case: Path, name: str) -> list[str]:
    file = case / name
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


# ---------------------------------------------------------------- presets that hold beside a method or an adapter


def with_presets(**changed: str) -> Memory:
    """tunec's presets, and conf/method/sft.yaml with another text."""
    groups = {group: dict(presets) for group, presets in shipped().items()}
    for name, text in changed.items():
        groups["method"][name] = Preset(f"conf/method/{name}.yaml", text)
    return Memory(frozenset({ROWS}), groups)


@pytest.mark.parametrize(
    ("overrides", "rate"),
    [
        ([], 1e-3),
        (["training.method=dpo"], 5e-5),
        (["training.adapter=full", "training.method=dpo"], 5e-6),
        (["training.method=orpo", "training.learning_rate=0.5"], 0.5),
    ],
)
def test_a_rate_is_that_of_the_method_and_the_adapter(overrides: list[str], rate: float) -> None:
    assert compiled(overrides=overrides).task.training.learning_rate == rate


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("when: {loar: {training: {epochs: 1}}}", "T011"),
        ("when: full", "T013"),
        ("when: {full: 1e-5}", "T013"),
    ],
)
def test_a_condition_that_could_never_hold_is_refused(text: str, code: str) -> None:
    with pytest.raises(ParseError) as error:
        compile_task(MINIMAL, with_presets(sft=text))
    assert [(found.code, found.span.file) for found in error.value.diagnostics] == [(code, "conf/method/sft.yaml")]
