"""The command line as a person meets it: what it prints, its exit codes, and no traceback for their own mistake."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from tests.compiling import MINIMAL, ROOT, ROWS
from tunec import sealing
from tunec.dvc import COMPILED
from tunec.start import main

ROW = '{"text": "a", "output": {"people": "2", "time": "7"}}\n'
TEMPLATES = sorted(path.parent.name for path in (ROOT / "tunec" / "templates").glob("*/task.yaml"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a task that compiles; no git, no DVC."""
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / ROWS).write_text(ROW * 300, encoding="utf-8")
    (tmp_path / "task.yaml").write_text(MINIMAL, encoding="utf-8")
    return tmp_path


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def tunec(folder: Path, *arguments: str) -> Done:
    """`tunec ARGUMENTS` in a folder, within this process."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", ["tunec", *arguments]),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def process(folder: Path, *arguments: str, path: str = str(ROOT)) -> Done:
    """The same in a process of its own."""
    command = [sys.executable, "-c", "from tunec.start import main; main()", *arguments]
    env = {**os.environ, "PYTHONPATH": path, "NO_COLOR": "1"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def said(done: Done) -> str:
    return done.stdout + done.stderr


# ---------------------------------------------------------------- check


def test_check_says_that_a_task_is_fine_and_writes_nothing(folder: Path) -> None:
    done = tunec(folder, "check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "task.yaml: no errors\n", "")
    assert sorted(path.name for path in folder.iterdir()) == ["data", "task.yaml"]


def test_check_prints_a_mistake_as_text(folder: Path) -> None:
    (folder / "task.yaml").write_text(MINIMAL.replace("0.7", "70"), encoding="utf-8")
    done = tunec(folder, "check")
    assert done.returncode == 1
    assert done.stdout == (
        "error[T122]: the threshold 70 is out of range\n"
        "  --> task.yaml:12:14\n"
        "   |\n"
        "12 |   threshold: 70\n"
        "   |              ^^\n"
        "   = note: `slot_f1` lies between 0 and 1\n"
        "   = help: write 0.7\n"
        "\n"
        "task.yaml: 1 error, 0 warnings\n"
    )


def test_check_prints_a_mistake_as_json(folder: Path) -> None:
    (folder / "task.yaml").write_text(MINIMAL.replace("0.7", "70"), encoding="utf-8")
    done = tunec(folder, "check", "--format", "json")
    (found,) = json.loads(done.stdout)
    assert done.returncode == 1
    assert (found["code"], found["span"]) == ("T122", {"file": "task.yaml", "line": 12, "column": 14, "length": 2})


def test_check_prints_a_mistake_for_github_with_the_path_from_where_it_runs(folder: Path) -> None:
    (folder / "task.yaml").write_text(MINIMAL.replace("0.7", "70"), encoding="utf-8")
    done = tunec(folder.parent, "check", f"{folder.name}/task.yaml", "--format", "github")
    text = "the threshold 70 is out of range%0A`slot_f1` lies between 0 and 1%0Ahelp: write 0.7"
    assert done.stdout == f"::error file={folder.name}/task.yaml,line=12,col=14,title=T122::{text}\n"


def test_an_empty_task_is_shown_with_no_line_of_another_file(folder: Path) -> None:
    """The repository has a task.yaml beside conf/, where the lines of presets are looked for."""
    (folder / "task.yaml").write_text("", encoding="utf-8")
    done = tunec(folder, "check")
    assert done.stdout.startswith("error[T008]: the file holds no task\n --> task.yaml:1:1\n  = help:")


def test_check_of_a_fine_task_prints_an_empty_list_as_json_and_nothing_for_github(folder: Path) -> None:
    assert json.loads(tunec(folder, "check", "--format", "json").stdout) == []
    assert tunec(folder, "check", "--format", "github").stdout == ""


# ---------------------------------------------------------------- compile


def test_compile_writes_three_files_and_the_second_time_none(folder: Path) -> None:
    first, second = tunec(folder, "compile"), tunec(folder, "compile")
    assert first.returncode == second.returncode == 0
    assert first.stdout.endswith("wrote .tunec/dvc.yaml, dvc.yaml, params.yaml\n")
    assert second.stdout.endswith("nothing changed\n")
    assert all((folder / name).is_file() for name in COMPILED)


def test_a_dry_run_shows_what_would_change_and_writes_nothing(folder: Path) -> None:
    tunec(folder, "compile")
    before = (folder / "params.yaml").read_bytes()
    done = tunec(folder, "compile", "--dry-run", "training.epochs=7")
    assert done.returncode == 0 and "\n+  epochs: 7.0\n" in done.stdout and "\n-  epochs: 4.0\n" in done.stdout
    assert (folder / "params.yaml").read_bytes() == before
    assert tunec(folder, "compile", "--dry-run").stdout == "nothing would change\n"


def test_an_override_may_stand_in_the_place_of_the_file(folder: Path) -> None:
    assert tunec(folder, "compile", "training.epochs=7", "goal=a: b").returncode == 1
    assert tunec(folder, "compile", "training.epochs=7", "goal='a: b'").returncode == 0
    assert "epochs: 7.0" in (folder / "params.yaml").read_text(encoding="utf-8")


def test_check_says_which_commit_a_preset_pins_for_a_hub_id(folder: Path) -> None:
    task = folder / "task.yaml"
    task.write_text(MINIMAL.replace("smollm2-135m", "Qwen/Qwen3-0.6B"), encoding="utf-8")
    done = tunec(folder, "check")
    assert done.returncode == 0 and done.stdout.startswith(
        "task.yaml: no errors\nnote: `Qwen/Qwen3-0.6B` names no commit"
    )
    assert "the preset `qwen3-0-6b`" in done.stdout


# ---------------------------------------------------------------- init


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_workspace_compiles_as_it_is(template: str, tmp_path: Path) -> None:
    done = tunec(tmp_path, "init", "mine", "--template", template)
    assert done.returncode == 0, said(done)
    assert "cd mine" in done.stdout
    assert tunec(tmp_path / "mine", "check").stdout == "task.yaml: no errors\n"
    assert "docs/" not in (tmp_path / "mine" / "task.yaml").read_text(encoding="utf-8")  # there are none here
    assert tunec(tmp_path / "mine", "compile").returncode == 0
    assert {".dvc", ".git", ".gitignore", "data", "task.yaml"} <= {path.name for path in (tmp_path / "mine").iterdir()}
    assert not list((tmp_path / "mine").rglob("__pycache__"))
    ignored = ["git", "check-ignore", "dvc.lock", ".tunec/dvc.lock"]  # DVC refuses a lock file that is
    assert subprocess.run(ignored, cwd=tmp_path / "mine", check=False).returncode == 1


def test_a_template_that_is_not_there_is_named_beside_those_that_are(tmp_path: Path) -> None:
    done = tunec(tmp_path, "init", "mine", "--template", "extractoin")
    assert (done.returncode, done.stderr) == (
        1,
        "error[T421]: there is no template `extractoin`\n  = help: did you mean `extraction`?\n",
    )
    assert not (tmp_path / "mine").exists()


def test_a_folder_in_use_is_left_alone(folder: Path) -> None:
    done = tunec(folder.parent, "init", folder.name)
    assert done.returncode == 1 and "error[T420]" in done.stderr
    assert (folder / "task.yaml").read_text(encoding="utf-8") == MINIMAL


# ---------------------------------------------------------------- mistakes
# What stands in task.yaml, the command, the code.

MISTAKES: list[tuple[bytes | None, list[str], str]] = [
    (None, ["check"], "T001"),
    (None, ["compile"], "T001"),
    (None, ["build"], "T001"),
    (None, ["check", "nowhere/task.yaml"], "T001"),
    (None, ["check", "data"], "T001"),
    (None, ["check", "data/raw/rows.jsonl/task.yaml"], "T001"),
    (None, ["check", "a" * 300], "T001"),
    (b"", ["check"], "T008"),
    (b"# a comment\n", ["compile"], "T008"),
    (b"- a\n- b\n", ["check"], "T013"),
    (b"just words\n", ["check"], "T013"),
    (b"42\n", ["build"], "T013"),
    (b"\xff\xfe\x00", ["check"], "T002"),
    ("task_name: 表".encode("big5"), ["check"], "T002"),
    (b"x" * 5_000_000, ["check"], "T002"),
    (b"task_name: [\n", ["check"], "T003"),
    (b"\x00\x01\x02", ["check"], "T003"),
    (MINIMAL.encode(), ["compile", "training.epochs"], "T409"),
    (MINIMAL.encode(), ["compile", "task.yaml", "training.epochs"], "T201"),
    (MINIMAL.encode(), ["compile", "training.epochz=3"], "T011"),
    (MINIMAL.encode(), ["compile", "training.epochs=[3"], "T003"),
    (MINIMAL.encode(), ["compile", "other.yaml"], "T409"),
    (MINIMAL.encode(), ["check", "--format", "xml"], "T411"),
    (MINIMAL.encode(), ["plan"], "T401"),
    (MINIMAL.encode(), ["why", "gate"], "T401"),
    (MINIMAL.encode(), ["why", "gaet"], "T410"),
    (MINIMAL.encode(), ["explain", "training.epoch"], "T011"),
    (MINIMAL.encode(), ["explain", "T998"], "T413"),
    (MINIMAL.encode(), ["explain", "goal", "training.epochs"], "T201"),
    (MINIMAL.encode(), ["build"], "T401"),
    (MINIMAL.encode(), ["build", "trian"], "T410"),
    (MINIMAL.encode(), ["why", "train"], "T410"),
    (MINIMAL.encode(), ["report"], "T407"),
    (MINIMAL.encode(), ["report", "--json"], "T407"),
    (MINIMAL.encode(), ["guard"], "T404"),
]


@pytest.mark.parametrize(
    ("target", "help"),
    [
        ("trian", "did you mean `train-smollm2-135m-r16`?"),
        ("train", "did you mean `train-smollm2-135m-r16`?"),
        ("splts", "did you mean `splits`?"),
    ],
)
def test_a_stage_that_is_misspelt_is_guessed_also_where_there_is_one_a_variant(
    target: str, help: str, folder: Path
) -> None:
    assert f"= help: {help}" in tunec(folder, "why", target).stderr


@pytest.mark.parametrize(
    ("task", "arguments", "code"), MISTAKES, ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else None
)
def test_a_mistake_of_the_user_ends_with_1_a_code_and_no_traceback(
    task: bytes | None, arguments: list[str], code: str, folder: Path
) -> None:
    (folder / "task.yaml").unlink()
    if task is not None:
        (folder / "task.yaml").write_bytes(task)
    done = tunec(folder, *arguments)
    assert done.returncode == 1, said(done)
    assert f"error[{code}]" in said(done) and " = help: " in said(done)
    assert "Traceback" not in said(done) and "T999" not in said(done)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nope"],
        ["init"],
        ["check", "--nope"],
        ["check", "a", "b"],
        ["run"],
        ["compile", "--dry-run=x"],
        ["init", "x", "--template"],
    ],
)
def test_a_wrong_use_of_the_command_line_ends_with_1_and_never_with_2(arguments: list[str], folder: Path) -> None:
    done = tunec(folder, *arguments)
    assert done.returncode == 1 and ("Usage" in said(done) or said(done).startswith("Error: "))
    assert "Traceback" not in said(done) and "T999" not in said(done)


def test_a_stage_that_is_not_there_is_refused(folder: Path) -> None:
    tunec(folder, "compile")
    done = process(folder, "run", "nope")
    assert done.returncode == 1 and "error[T382]: there is no stage 'nope' in dvc.yaml" in done.stderr


def test_a_stage_of_a_folder_that_is_not_compiled_is_refused(folder: Path) -> None:
    done = process(folder, "run", "data")
    assert done.returncode == 1 and "error[T383]: dvc.yaml is not here" in done.stderr


def test_a_stage_runs_as_dvc_runs_it(folder: Path) -> None:
    tunec(folder, "compile")
    done = process(folder, "run", "data")
    assert done.returncode == 0, said(done)
    assert json.loads((folder / "build" / "data" / "report.json").read_text(encoding="utf-8"))["accepted"] == 1


@pytest.mark.parametrize("content", ["[]", "a", "x: [", "base_model:\n  source: [\n", "\ufeff", "base_model: 7\n"])
def test_a_broken_preset_of_the_workspace_is_told_like_a_broken_task(content: str, folder: Path) -> None:
    preset = folder / "conf" / "base_model" / "smollm2-135m.yaml"
    preset.parent.mkdir(parents=True)
    preset.write_text(content, encoding="utf-8")
    done = tunec(folder, "check")
    assert done.returncode == 1 and "conf/base_model/smollm2-135m.yaml:" in done.stdout and "T999" not in said(done)


def test_a_preset_that_is_no_utf8_is_told_like_a_task_that_is_none(folder: Path) -> None:
    (folder / "conf").mkdir()
    (folder / "conf" / "defaults.yaml").write_bytes(b"\xff")
    done = tunec(folder, "check")
    assert done.returncode == 1 and "error[T002]: conf/defaults.yaml is not UTF-8 text" in done.stdout


def test_a_preset_of_the_workspace_lies_over_tunecs_own(folder: Path) -> None:
    (folder / "conf" / "method").mkdir(parents=True)
    (folder / "conf" / "method" / "sft.yaml").write_text("training: {epochs: 9}\n", encoding="utf-8")
    tunec(folder, "compile")
    assert "epochs: 9.0" in (folder / "params.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("hidden", ["compiler", "stages"])
def test_a_folder_that_hides_our_packages_is_named(hidden: str, folder: Path) -> None:
    (folder / hidden).mkdir()
    (folder / hidden / "__init__.py").write_text("", encoding="utf-8")
    done = process(folder, "check", path=f"{folder}{os.pathsep}{ROOT}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error[T408]: the folder {folder / hidden} hides tunec's own\n")


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "edited"])
@pytest.mark.parametrize("name", COMPILED)
def test_the_guard_refuses_a_compiled_file_that_was_edited_or_lost(name: str, lost: bool, folder: Path) -> None:
    tunec(folder, "compile")
    assert tunec(folder, "guard").returncode == 0
    file = folder / name
    file.unlink() if lost else file.write_text(file.read_text(encoding="utf-8") + "# more\n", encoding="utf-8")
    done = tunec(folder, "guard")
    assert done.returncode == 1 and f"error[T404]: {name} is not what task.yaml compiles to" in done.stderr


def test_the_seal_covers_every_compiled_file() -> None:
    assert set(sealing.FILES) == {"task.yaml", *COMPILED}


@pytest.mark.parametrize("kind", ["a link", "a file"])
def test_the_guard_s_folder_leads_nowhere_else(kind: str, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "dvc.yaml").write_text("mine\n", encoding="utf-8")
    if kind == "a link":
        (folder / ".tunec").symlink_to(other)
    else:
        (folder / ".tunec").write_text("mine\n", encoding="utf-8")
    for command in ("compile", "plan", "build"):
        done = tunec(folder, command, "training.epochs=7")
        assert done.returncode == 1 and "error[T404]: .tunec is not a folder of the workspace" in done.stderr
    assert [file.read_text(encoding="utf-8") for file in other.iterdir()] == ["mine\n"]


@pytest.mark.parametrize("name", COMPILED)
def test_a_compiled_file_is_not_written_through_a_link_that_lies_in_its_way(name: str, folder: Path) -> None:
    mine = folder / "mine.txt"
    mine.write_text("mine\n", encoding="utf-8")
    (folder / ".tunec").mkdir()
    for planted in (name, f"{name}.tmp"):
        (folder / planted).symlink_to(mine)
    assert tunec(folder, "compile").returncode == 0
    assert mine.read_text(encoding="utf-8") == "mine\n" and not (folder / name).is_symlink()


def test_the_guard_knows_the_overrides_that_a_graph_was_compiled_with(folder: Path) -> None:
    tunec(folder, "compile", "training.epochs=7", "goal='no: 0o17'")
    assert tunec(folder, "guard").returncode == 0
    assert (folder / "build" / "guard" / "train-sft-lora.txt").is_file()


def test_the_wheel_holds_three_packages_and_all_that_they_need(tmp_path: Path) -> None:
    source = tmp_path / "source"
    names = ["compiler", "stages", "tunec", "hydra_plugins", "conf", "pyproject.toml", "LICENSE", "README.md"]
    source.mkdir()
    subprocess.run(["cp", "-r", *(str(ROOT / name) for name in names), str(source)], check=True)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(source),
    ]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    files = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in files}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"compiler", "hydra_plugins", "stages", "tunec"}
    assert {
        "tunec/conf/defaults.yaml",
        "tunec/conf/base_model/smollm2-135m.yaml",
        "tunec/importing/axolotl.py",
        "tunec/templates/extraction/task.yaml",
    } <= set(files)
    assert {f"stages/{path.name}" for path in (ROOT / "stages").glob("*.jinja")} <= set(files)
    assert not [name for name in files if "__pycache__" in name]


# ---------------------------------------------------------------- import

TRAINING = "base_model: a/b\nmicro_batch_size: 2\nwandb_project: mine\ndatasets: [{path: a/c, type: alpaca}]\n"


def test_an_import_writes_a_task_and_prints_what_stayed_behind(tmp_path: Path) -> None:
    (tmp_path / "train.yml").write_text(TRAINING, encoding="utf-8")
    done = tunec(tmp_path, "import", "axolotl", "train.yml", "--out", "new.yaml")
    assert done.returncode == 0 and not done.stderr
    assert "  train.yml:1 base_model: a/b -> training.base_model\n" in done.stdout
    assert "    train.yml:3 wandb_project: mine\n" in done.stdout
    assert "  base_model: a/b # to decide: " in (tmp_path / "new.yaml").read_text(encoding="utf-8")


def test_an_import_that_is_refused_shows_the_line_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "train.yml").write_text(TRAINING + "odd: *nowhere\n", encoding="utf-8")
    done = tunec(tmp_path, "import", "llamafactory", "train.yml")
    assert done.returncode == 1
    assert done.stderr.startswith("error[T432]: the alias *nowhere has no value before it\n --> train.yml:5:6\n")
    assert "5 | odd: *nowhere" in done.stderr
    assert not (tmp_path / "task.yaml").exists()


def test_an_import_of_nothing_says_how_it_is_called(tmp_path: Path) -> None:
    assert "axolotl" in said(tunec(tmp_path, "import")) and "llamafactory" in said(tunec(tmp_path, "import"))
