"""Imports run one way: tunec -> compiler -> the contracts of stages. No ML library is imported to look at a task."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compiling import MINIMAL, ROOT, ROWS

HEAVY = {
    "torch",
    "transformers",
    "dvc",
    "datasets",
    "trl",
    "peft",
    "llama_cpp",
    "numpy",
    "sklearn",
    "pyarrow",
    "huggingface_hub",
}
# Facts that both sides go by: what a stage is, what rows look like, what a schema and an input template say.
OPEN_TO_THE_COMPILER = {
    "stages.base",
    "stages.catalog",
    "stages.chat_templates",
    "stages.diagnostics",
    "stages.facts",
    "stages.kinds",
    "stages.own",
    "stages.patterns",
    "stages.prompts",
    "stages.row_shapes",
    "stages.schemas",
    "stages.shapes",
    "stages.templating",
}


def imports(file: Path) -> Iterator[str]:
    """Every module that a file imports, inside functions as well."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("file", files("stages"), ids=lambda file: file.relative_to(ROOT).as_posix())
def test_stages_import_neither_the_compiler_nor_the_face(file: Path) -> None:
    assert not {name for name in imports(file) if name.split(".")[0] in ("compiler", "tunec")}


@pytest.mark.parametrize("file", files("compiler"), ids=lambda file: file.name)
def test_the_compiler_imports_the_contracts_of_stages_only(file: Path) -> None:
    named = set(imports(file))
    assert {name for name in named if name.split(".")[0] == "stages"} <= OPEN_TO_THE_COMPILER
    assert not {name for name in named if name.split(".")[0] in {"tunec"} | HEAVY}


def test_no_relative_import_hides_where_a_name_comes_from() -> None:
    for file in [*files("compiler"), *files("stages"), *files("tunec")]:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level], file


def test_checking_a_task_loads_no_ml_library() -> None:
    code = (
        "import sys; from pathlib import Path; from tunec.checking import check_file;"
        "check_file(Path('task.yaml'), 'text');"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "compiler" in loaded and not loaded & HEAVY


def test_checking_a_task_of_one_variant_loads_no_stage_and_nothing_slow() -> None:
    """What it loads is what it takes: see benchmarks/compiler.py."""
    code = (
        "import sys; from pathlib import Path; from tunec.checking import check_file;"
        "check_file(Path('task.yaml'), 'text'); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not loaded & {"jsonschema", "jinja2", "rich", "omegaconf", "stages.train", "stages.contract"}


def test_a_check_from_the_command_line_does_not_look_for_pydantic_s_plugins() -> None:
    code = (
        "import sys; from tunec.start import main; sys.argv = ['tunec', 'check']\n"
        "try: main()\nexcept SystemExit: print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "pydantic" in loaded and not loaded & {"importlib.metadata", "email.message"}


def test_a_guard_that_finds_nothing_changed_loads_no_pydantic(tmp_path: Path) -> None:
    """It runs in every `dvc repro`: see benchmarks/guard.py."""
    small(tmp_path)
    tunec = [sys.executable, "-m", "tunec"]
    subprocess.run([*tunec, "compile"], cwd=tmp_path, capture_output=True, check=True)
    subprocess.run([*tunec, "guard"], cwd=tmp_path, capture_output=True, check=True)
    code = "import sys; from pathlib import Path; from tunec.sealing import intact; print(intact(Path()), *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    found, *loaded = done.stdout.split()
    assert found == "True" and not set(loaded) & {"pydantic", "stages.base", "compiler.compile"}


def small(root: Path) -> None:
    (root / ROWS).parent.mkdir(parents=True)
    (root / ROWS).write_text('{"text": "at 7", "time": "7"}\n', encoding="utf-8")
    (root / "task.yaml").write_text(MINIMAL, encoding="utf-8")
