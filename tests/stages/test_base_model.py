"""Where a base model is looked for, and what is not taken for one."""

from __future__ import annotations

import errno
import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages import model as stage
from stages.base_model import MANIFEST, BaseModel, describe, find, locate
from stages.diagnostics import UserError
from stages.rows import write_json

COMMIT = "0" * 40


def code(error: pytest.ExceptionInfo[UserError]) -> str:
    (found,) = error.value.diagnostics
    return found.code


def model_folder(folder: Path, weights: str = "weights") -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_text(weights)
    return folder


def pinned(build: Path, model: BaseModel) -> Path:
    """The folder that the stage `model` leaves."""
    base = build / "model-tiny" / "base"
    base.mkdir(parents=True)
    write_json(base / MANIFEST, {"model": model.model_dump(exclude_none=True), "files": describe(find(model))})
    return base


def test_a_hub_model_is_fetched_again_when_the_hub_s_cache_was_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    cache = tmp_path / "cache"

    def snapshot_download(repo: str, *, revision: str, local_files_only: bool = False, **_: Any) -> str:
        assert (repo, revision) == ("org/tiny", COMMIT)
        if not cache.is_dir() and local_files_only:
            raise LocalEntryNotFoundError("not in the cache")
        return str(cache if cache.is_dir() else model_folder(cache))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    base = pinned(tmp_path, BaseModel(name="tiny", source="hub", repo="org/tiny", revision=COMMIT))
    shutil.rmtree(cache)
    assert locate(base).path == cache


def refused(monkeypatch: pytest.MonkeyPatch, error: Exception) -> str:
    import huggingface_hub

    def snapshot_download(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(UserError) as found:
        find(BaseModel(name="tiny", source="hub", repo="org/tiny-model", revision=COMMIT))
    assert code(found) == "T332"
    return found.value.diagnostics[0].message


def test_why_the_hub_does_not_give_a_model_is_told_in_words_with_its_whole_id(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import errors

    answer = SimpleNamespace(status_code=503, headers={}, request=None)
    whole = f"the base model org/tiny-model@{COMMIT} cannot be had from the Hub: "
    for error, words in (
        (errors.LocalEntryNotFoundError("x"), "it is not in the cache of this machine, and the Hub cannot be reached"),
        (errors.RepositoryNotFoundError("x", response=answer), "there is none of that name, or it is not open to you"),
        (errors.GatedRepoError("x", response=answer), "its terms have to be accepted on its page first"),
        (errors.RevisionNotFoundError("x", response=answer), "it has no such commit"),
        (errors.HfHubHTTPError("x", response=answer), "the Hub answers with status 503"),
        (OSError(errno.ECONNRESET, "Connection reset by peer"), "connection reset by peer"),
        (OSError("secret words"), "the network failed on the way"),
    ):
        assert refused(monkeypatch, error) == whole + words


def test_files_that_changed_since_they_were_pinned_are_told_with_the_command_that_pins_them_anew(
    tmp_path: Path,
) -> None:
    folder = model_folder(tmp_path / "tiny")
    base = pinned(tmp_path, BaseModel(name="tiny", source="folder", path=str(folder)))
    assert locate(base).path == folder
    (folder / "model.safetensors").write_text("other weights")
    with pytest.raises(UserError) as error:
        locate(base)
    (found,) = error.value.diagnostics
    assert (found.code, found.notes) == ("T333", ("differs: model.safetensors",))
    assert "`dvc repro --force model-tiny`" in str(found.help)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package `tiny_weights` beside a file that is none of its own."""
    home = tmp_path / "site" / "tiny_weights"
    home.mkdir(parents=True)
    (home / "__init__.py").write_text("raise RuntimeError('a base model is located, never run')")
    (home / "tiny.gguf").write_text("GGUF")
    (tmp_path / "site" / "secret").write_text("secret")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return home


def of_package(package: str, file: str) -> BaseModel:
    return BaseModel(name="tiny", source="package", package=package, file=file)


def test_a_package_s_file_is_found_without_running_the_package(package: Path) -> None:
    assert find(of_package("tiny_weights", "tiny.gguf")).path == package / "tiny.gguf"
    assert "tiny_weights" not in sys.modules


def test_a_file_outside_the_package_is_refused_however_it_is_named(package: Path) -> None:
    (package / "link.gguf").symlink_to(package.parent / "secret")
    for file in ("../secret", str(package.parent / "secret"), "/etc/hostname", "x/../../secret", "link.gguf"):
        with pytest.raises(UserError, match="outside the package") as error:
            find(of_package("tiny_weights", file))
        assert code(error) == "T331"


@pytest.mark.parametrize("name", ["nope.sub", "tiny_weights.sub", "no_such_package", ".", "", "a b"])
def test_what_is_no_installed_package_is_told_as_that(package: Path, name: str) -> None:
    with pytest.raises(UserError) as error:
        find(of_package(name, "tiny.gguf"))
    assert code(error) == "T330"
    assert importlib.util.find_spec("tiny_weights") and "tiny_weights" not in sys.modules


def test_what_people_want_to_know_of_a_model_is_no_part_of_what_is_trained_on(tmp_path: Path) -> None:
    """Another licence in the preset must not train anew."""
    folder = model_folder(tmp_path / "tiny")
    bases, facts = [], []
    for license in ("mit", "apache-2.0"):
        out = stage.Outputs(tmp_path / license / "base", tmp_path / license / "facts.json")
        out.facts.parent.mkdir()
        spec = BaseModel(name="tiny", source="folder", path=str(folder), license=license, context_length=512)
        stage.run(stage.Inputs(folder), stage.ModelParams(model=spec), out)
        bases.append((out.base / MANIFEST).read_bytes())
        facts.append(out.facts.read_text())
    assert bases[0] == bases[1]
    assert "mit" in facts[0] and "apache-2.0" in facts[1]
