"""What an import refuses: one diagnostic each, and nothing is written."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import pytest

from stages.diagnostics import Diagnostic, UserError
from tunec.importing import import_files
from tunec.importing.reading import MAX_DEPTH, MAX_NODES

AXOLOTL = "base_model: a/b\ndatasets:\n  - {path: a/c, type: alpaca}\nmicro_batch_size: 2\n"
LLAMAFACTORY = "model_name_or_path: a/b\nstage: sft\nfinetuning_type: lora\ndataset: identity\n"
BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(text: str | None, format: str = "axolotl", name: str = "config.yaml") -> Diagnostic:
    """The one diagnostic about a file of this text, of which no task.yaml came."""
    if text is not None:
        Path(name).write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        import_files(format, [Path(name)], Path("task.yaml"))
    assert not Path("task.yaml").exists()
    (found,) = error.value.diagnostics
    assert found.help
    return found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("base_model: [a\n", "T432"),
        ("base_model: a\n\tadapter: lora\n", "T432"),
        ("base_model: a\n---\nbase_model: b\n", "T432"),
        ("base_model: a\nbase_model: b\n", "T432"),
        ("? [a]\n: b\n", "T432"),
        ("base_model: *nowhere\n", "T432"),
        ("base_model: &a [*a]\n", "T432"),
        ("base_model: !!python/object/apply:os.system [id]\n", "T432"),
        ("base_model: !env SECRET\n", "T432"),
        ("base_model: \x00\n", "T432"),
        ("a: " + "[" * 1000, "T432"),
        (BOMB, "T433"),
        ("a: [" + "x, " * MAX_NODES + "]", "T433"),
        ("", "T434"),
        ("# nothing\n", "T434"),
        ("- base_model: a\n", "T434"),
        ("lora\n", "T434"),
        ("{}\n", "T434"),
        (LLAMAFACTORY, "T435"),
        ("gpu: h100\nmemory: 128\n", "T436"),
        ("task_name: slots\ninput_template: '{text}'\n", "T436"),
        ("lora_r: 16\nsequence_len: 512\n", "T436"),
    ],
)
def test_a_file_that_is_none_is_told_in_one_diagnostic(text: str, code: str, folder: Path) -> None:
    start = time.process_time()
    assert refused(text).code == code
    assert time.process_time() - start < 1


def test_a_file_of_axolotl_is_no_file_of_llamafactory(folder: Path) -> None:
    found = refused(AXOLOTL, "llamafactory")
    assert (found.code, found.help) == ("T435", "run `tunec import axolotl` on it")


def test_a_chat_file_of_llamafactory_trains_nothing(folder: Path) -> None:
    assert refused("model_name_or_path: a/b\ntemplate: llama3\ninfer_backend: vllm\n", "llamafactory").code == "T436"


def test_a_levelled_chain_of_aliases_is_too_deep_and_no_crash(folder: Path) -> None:
    chain = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3 * MAX_DEPTH))
    assert refused(chain).code == "T432"


def test_an_existing_file_is_never_overwritten(folder: Path) -> None:
    Path("task.yaml").write_text("mine\n", encoding="utf-8")
    Path("config.yaml").write_text(AXOLOTL, encoding="utf-8")
    with pytest.raises(UserError) as error:
        import_files("axolotl", [Path("config.yaml")], Path("task.yaml"))
    assert [found.code for found in error.value.diagnostics] == ["T430"]
    assert Path("task.yaml").read_text(encoding="utf-8") == "mine\n"


def test_a_link_that_leads_nowhere_is_not_written_through(folder: Path) -> None:
    Path("task.yaml").symlink_to(folder / "elsewhere")
    Path("config.yaml").write_text(AXOLOTL, encoding="utf-8")
    with pytest.raises(UserError, match="is there already"):
        import_files("axolotl", [Path("config.yaml")], Path("task.yaml"))
    assert not (folder / "elsewhere").exists()


def test_a_folder_to_write_into_must_be_there(folder: Path) -> None:
    Path("config.yaml").write_text(AXOLOTL, encoding="utf-8")
    with pytest.raises(UserError) as error:
        import_files("axolotl", [Path("config.yaml")], Path("nowhere/task.yaml"))
    assert [found.code for found in error.value.diagnostics] == ["T439"]


@pytest.mark.parametrize("name", ["missing.yaml", "folder", "latin.yaml", "large.yaml", "pipe", "a\0b"])
def test_a_file_that_cannot_be_read_is_told(name: str, folder: Path) -> None:
    with contextlib.suppress(ValueError):
        Path("folder").mkdir()
        Path("latin.yaml").write_bytes(b"base_model: caf\xe9\n")
        Path("large.yaml").write_text("# \n" * 400_000, encoding="utf-8")
        os.mkfifo("pipe")
    assert refused(None, name=name).code == "T431"


@pytest.mark.parametrize("files", [["info.json"], ["a.yaml", "b.yaml"], ["a.yaml", "a.json", "b.json"]])
def test_one_training_file_is_named_and_at_most_one_of_datasets(files: list[str], folder: Path) -> None:
    for name in files:
        Path(name).write_text(LLAMAFACTORY, encoding="utf-8")
    with pytest.raises(UserError) as error:
        import_files("llamafactory", [Path(name) for name in files], Path("task.yaml"))
    assert [found.code for found in error.value.diagnostics] == ["T437"]


def test_a_broken_dataset_info_is_told_by_its_own_name(folder: Path) -> None:
    Path("config.yaml").write_text(LLAMAFACTORY, encoding="utf-8")
    Path("info.json").write_text('{"identity": ', encoding="utf-8")
    with pytest.raises(UserError) as error:
        import_files("llamafactory", [Path("config.yaml"), Path("info.json")], Path("task.yaml"))
    (found,) = error.value.diagnostics
    assert found.code == "T432" and found.span and found.span.file == "info.json"
