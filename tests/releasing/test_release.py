"""`tunec release`: what it makes, what it is called, and that a dry run says the same and does nothing."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from unittest import mock

import pytest

from stages.rows import read_json, sha256
from tests.releasing.small import PERSON, Small, make
from tunec import dvc


def test_a_dry_run_says_what_a_release_says_and_does_nothing(small: Small) -> None:
    before = small.state()
    said = small.release("--dry-run").out
    assert small.state() == before
    assert small.release().out == said
    assert said.startswith("tiny-slots-v1  version 1, the first release\n")


def test_a_release_is_a_tag_a_commit_and_a_folder(small: Small) -> None:
    small.release()
    assert small.git("cat-file", "-t", "refs/tags/tiny-slots-v1") == "tag"
    assert small.git("rev-parse", "tiny-slots-v1^{commit}") == small.git("rev-parse", "main")
    assert small.git("status", "--porcelain") == ""
    names = small.git("show", "--name-only", "--format=", "HEAD").split()
    added = ("datasets.jsonl", "manifests/tiny-slots-v1.json", "releases.jsonl", "runs.jsonl")
    assert names == ["CHANGELOG.md", *(f"registry/{name}" for name in added)]
    package, folder = small.root / "build/package", small.root / "releases/tiny-slots-v1"
    for name in ("model.gguf", "Modelfile", "README.md", "contract.json", "manifest.json"):
        assert (folder / name).read_bytes() == (package / name).read_bytes()
        assert not (folder / name).samefile(package / name)
    assert (folder / "release.json").read_bytes() == (small.root / "registry/manifests/tiny-slots-v1.json").read_bytes()


def test_the_registry_says_what_was_released_out_of_which_run_and_data(released: Small) -> None:
    releases, runs, datasets = (released.lines(name) for name in ("releases", "runs", "datasets"))
    assert [line["release"] for line in releases] == ["tiny-slots-v1", "tiny-slots-v1.0.1", "tiny-slots-v1.1"]
    assert [len(runs), len(datasets)] == [3, 2]  # the second release is of the first one's data
    last = releases[-1]
    assert last["run"] == runs[-1]["run"] == sha256(released.root / "dvc.lock")
    assert last["dataset"] == datasets[-1]["dataset"] == sha256(released.root / "build/data/accepted.jsonl")
    assert datasets[-1]["sources"] == {"data/raw/rows.jsonl": sha256(released.root / "data/raw/rows.jsonl")}
    assert last["model"] == sha256(released.root / "build/package/model.gguf")
    assert last["previous_tag"] == released.git("rev-parse", "refs/tags/tiny-slots-v1.0.1")
    assert last["commit"] == released.git("rev-parse", "tiny-slots-v1.1^{commit}~1")


def test_the_number_follows_from_what_changed_and_the_reason_is_told(released: Small) -> None:
    why = {line["release"]: line["why"] for line in released.lines()}
    assert why == {
        "tiny-slots-v1": [],
        "tiny-slots-v1.0.1": ["patch: goal A task for tests. -> Another goal."],
        "tiny-slots-v1.1": [
            "minor: the rows changed (train 10 -> 20, dev 2 -> 2, test 8 -> 8)",
            "minor: the model's bytes are others",
        ],
    }
    released.edit("[noon, night]", "[noon, night, dawn]")
    released.build(salt="b", right=7, rows=30)
    said = released.release("--dry-run").out
    assert said.startswith(
        "tiny-slots-v2  version 2, after tiny-slots-v1.1\n  major     the label dawn of `time` is new\n"
    )


def test_the_changelog_has_the_newest_release_first_and_keeps_what_was_there(small: Small) -> None:
    (small.root / "CHANGELOG.md").write_text(
        "# Ours\n\n## Unreleased\n\n- to come\n\n## old\n\n- was\n", encoding="utf-8"
    )
    small.commit()
    small.release()
    assert (small.root / "CHANGELOG.md").read_text(encoding="utf-8") == (
        "# Ours\n\n## Unreleased\n\n- to come\n\n## tiny-slots-v1 - 2025-01-07\n\n- The first release.\n"
        "- exact_match 0.750 (0.650 to 0.850); verdict: ship.\n\n## old\n\n- was\n"
    )


def test_a_forced_release_says_so_everywhere(small: Small) -> None:
    small.build(verdict="do_not_ship")
    assert "error[T442]" in small.tunec("release", code=1).err
    reason = "for the demo [x](http://x) <b>\u202e\n# on Friday"
    assert "forced: for the demo" in small.release("--force", reason).out
    recorded = small.lines()[0]
    assert (recorded["verdict"], recorded["forced"]) == (
        "do_not_ship",
        "for the demo [x](http://x) <b>\ufffd # on Friday",
    )
    assert "forced: for the demo" in small.git("show", "--no-patch", "tiny-slots-v1")
    changelog = (small.root / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "verdict: do not ship, forced: for the demo \\[x\\](http://x) \\<b>\ufffd # on Friday." in changelog
    whole = json.loads((small.root / "releases/tiny-slots-v1/release.json").read_text(encoding="utf-8"))
    assert whole["forced"] == recorded["forced"]


def test_a_reason_that_was_not_needed_is_not_recorded(small: Small) -> None:
    small.release("--force", "just in case")
    assert small.lines()[0]["forced"] is None


def test_a_version_can_be_named(released: Small) -> None:
    assert released.release("--as", "v4.2", "--dry-run").out.startswith("tiny-slots-v4.2  version 4.2,")


def test_the_second_release_of_a_day_gets_a_name_of_its_own(small: Small) -> None:
    small.edit("strategy: semantic", "strategy: date")
    small.commit()
    small.release()
    small.edit("goal: A task for tests.", "goal: Another goal.")
    small.build()
    small.release()
    assert small.names() == ["tiny-slots-2025-01-07", "tiny-slots-2025-01-07.2"]


def test_gto_reads_a_release_and_its_stage_of_life(small: Small) -> None:
    gto = pytest.importorskip("gto.tag")
    small.edit("{task}-v{n}", "{task}@v{n}")
    small.commit()
    small.release()
    small.tunec("release", "mark", "v1", "deployed")
    assert small.names() == ["tiny-slots#deployed#1", "tiny-slots@v1.0.0"]
    parsed = {name: gto.parse_name(name) for name in small.names()}
    assert parsed["tiny-slots@v1.0.0"]["version"] == "v1.0.0"
    assert parsed["tiny-slots#deployed#1"]["stage"] == "deployed"
    commits = {small.git("rev-parse", f"refs/tags/{name}^{{commit}}") for name in small.names()}
    assert len(commits) == 1
    small.tunec("release", "mark", "v1", "archived")
    assert "tiny-slots#archived#2" in small.names()


def test_a_workspace_below_the_top_of_its_repository_is_released_alone(tmp_path: Path) -> None:
    repository = tmp_path / "many tasks, (one) repo"
    small = make(repository / "slots", repository)
    (repository / "elsewhere.txt").write_text("not of this task, and not committed", encoding="utf-8")
    small.release()
    assert small.names() == ["tiny-slots-v1"]
    assert (small.root / "registry/releases.jsonl").is_file()
    assert (small.root / "releases/tiny-slots-v1/model.gguf").is_file()
    assert small.tunec("verify", "v1").code == 0
    assert small.git("status", "--porcelain", "--", ".") == ""


def test_where_versioning_goes_no_stage_follows(small: Small) -> None:
    """A release is no part of the build: another naming runs nothing."""
    before = {name: (small.root / name).read_bytes() for name in ("dvc.yaml", "params.yaml")}
    small.edit("strategy: semantic", "strategy: hybrid")
    small.edit("retention: 3", "retention: 1")
    assert "nothing changed" in small.tunec("compile").out
    assert {name: (small.root / name).read_bytes() for name in before} == before
    small.commit()
    assert small.release("--dry-run").out.startswith("tiny-slots-v1-20250107  version 1,")


@pytest.mark.parametrize(
    ("target", "lines"),
    [
        (
            "huggingface",
            [
                "hf auth login",
                "tunec release push tiny-slots-v1 --to huggingface",
            ],
        ),
        (
            "ollama",
            [
                "ollama create tiny-slots:v1 -f releases/tiny-slots-v1/Modelfile",
                "ollama create tiny-slots:latest -f releases/tiny-slots-v1/Modelfile",
            ],
        ),
        (
            "api",
            [
                "pip install 'tunec[serve]'",
                "tunec serve tiny-slots-v1",
            ],
        ),
    ],
)
def test_the_commands_for_a_target_are_printed_and_not_run(target: str, lines: list[str]) -> None:
    from tunec.releasing.targets import commands

    manifest = {
        "release": "tiny-slots-v1",
        "task": "tiny-slots",
        "contract": {},
        "config": {"output_format": {"schema": None}},
    }
    assert commands(target, manifest) == lines


def test_a_printed_command_asks_for_an_answers_fields_in_the_contracts_order(released: Small) -> None:
    """A grammar writes fields as the schema lists them, and the model was trained on that order."""
    from tunec.releasing.targets import commands

    manifest = read_json(released.root / "releases/tiny-slots-v1/release.json")
    assert list(manifest["contract"]["schema"]["properties"]) == ["people", "time"]
    form = json.loads(manifest["config"]["output_format"]["schema"])
    form["properties"] = {name: form["properties"][name] for name in ("time", "people")}
    manifest["config"]["output_format"]["schema"] = json.dumps(form)
    [_, line] = commands("local", manifest)
    assert line.index('"time"') < line.index('"people"')


def test_an_old_release_is_marked_deployed_with_one_command_that_brings_it_back(released: Small) -> None:
    model = sha256(released.root / "releases/tiny-slots-v1/model.gguf")
    released.git("clean", "-xfdq", "releases")
    said = released.tunec("release", "mark", "v1", "deployed").out
    assert said.startswith("tiny-slots-v1: candidate -> deployed\n") and "llama-cli -m releases/tiny-slots-v1" in said
    assert sha256(released.root / "releases/tiny-slots-v1/model.gguf") == model
    assert released.lines("marks")[-1]["mark"] == "deployed"
    assert released.git("status", "--porcelain") == ""
    assert "is deployed already" in released.tunec("release", "mark", "v1", "deployed").out


def test_retention_keeps_the_newest_and_all_that_are_deployed(released: Small) -> None:
    released.edit("retention: 3", "retention: 1")
    released.commit()
    released.tunec("release", "mark", "v1", "deployed")
    before = released.state()
    said = released.tunec("release", "prune", "--dry-run").out
    assert released.state() == before
    assert "keeps    tiny-slots-v1: deployed" in said and "keeps    tiny-slots-v1.1: one of the newest 1" in said
    assert released.tunec("release", "prune").out == said
    assert sorted(path.name for path in (released.root / "releases").iterdir() if path.is_dir()) == [
        "tiny-slots-v1",
        "tiny-slots-v1.1",
    ]
    assert released.names() == ["tiny-slots-v1", "tiny-slots-v1.0.1", "tiny-slots-v1.1"]
    assert "error[T454]" in released.tunec("release", "get", "v1.0.1", code=1).err
    for kept in ("v1", "v1.1"):
        released.git("clean", "-xfdq", "releases")
        released.tunec("release", "get", kept)
        assert released.tunec("verify", kept).code == 0
    assert "nothing to remove" in released.tunec("release", "prune").out


def test_pruning_empties_the_remote_too_and_leaves_what_others_need(released: Small) -> None:
    remote = released.root.parent / "remote"
    with mock.patch.dict(os.environ, PERSON):
        dvc._run(released.root, "remote", "add", "--default", "there", str(remote))
    shutil.copytree(released.root / ".dvc/cache/files", remote / "files")  # `dvc push` after each release
    released.edit("retention: 3", "retention: 2")
    released.commit()
    objects = {path for path in remote.rglob("*") if path.is_file()}
    released.tunec("release", "prune")
    left = {path for path in remote.rglob("*") if path.is_file()}
    assert left < objects and len(objects - left) == 2  # the card and the manifest, which no later release shares
    for name in ("v1.0.1", "v1.1"):  # out of the remote alone
        released.git("clean", "-xfdq", "releases", "build")
        shutil.rmtree(released.root / ".dvc/cache", ignore_errors=True)
        released.tunec("release", "get", name, "--out", f"../{name}")
        assert released.tunec("verify", f"../{name}").code == 0


def test_a_release_is_fetched_byte_for_byte_after_the_build_moved_on(released: Small) -> None:
    old = {f.name: f.read_bytes() for f in (released.root / "releases/tiny-slots-v1").iterdir()}
    released.git("clean", "-xfdq", "releases")
    assert "holds the files" in released.tunec("release", "get", "v1", "--out", "../got").out
    assert {f.name: f.read_bytes() for f in (released.root.parent / "got").iterdir()} == old
    assert "there already, whole" in released.tunec("release", "get", "v1", "--out", "../got").out
    assert "error[T455]" in released.tunec("release", "get", "v1.1", "--out", "../got", code=1).err


def test_the_list_shows_the_newest_first_with_what_changed(released: Small) -> None:
    said = released.tunec("release", "list").out.splitlines()
    assert [line.split()[0] for line in said if not line.startswith(" ")] == [
        "tiny-slots-v1.1",
        "tiny-slots-v1.0.1",
        "tiny-slots-v1",
    ]
    rows = json.loads(released.tunec("release", "list", "--json").out)
    assert (rows[0]["version"], rows[0]["stage"], rows[0]["verdict"]) == ("1.1.0", "candidate", "ship")


def test_two_releases_are_compared_on_the_rows_that_both_answered(released: Small) -> None:
    found = json.loads(released.tunec("release", "diff", "v1", "v1.1", "--json").out)
    assert found["figures"]["exact_match"][0]["value"] == 0.75 and found["figures"]["exact_match"][1]["value"] == 0.875
    assert found["compared"] == 8 and found["lead"]["value"] == pytest.approx(0.125)
    assert found["lead"]["low"] <= 0.125 <= found["lead"]["high"]
    assert [len(found["fixed"]), len(found["broken"])] == [1, 0]
    assert found["fixed"][0]["new"] == '{"people": "6", "time": "noon"}'
    assert [len(found["data"]["added"]), len(found["data"]["removed"])] == [10, 0]
    assert {"key": "goal", "old": "A task for tests.", "new": "Another goal."} in found["config"]
    back = json.loads(released.tunec("release", "diff", "v1.1", "v1", "--json").out)
    assert [len(back["fixed"]), len(back["broken"])] == [0, 1]
    assert "1 row fixed:" in released.tunec("release", "diff", "v1", "v1.1").out


def test_a_release_of_a_sweep_is_told_of_with_the_chosen_variant_s_values(small: Small) -> None:
    task = small.root / "task.yaml"
    task.write_text(task.read_text(encoding="utf-8") + "sweep: {training.lora.r: [8, 16]}\n", encoding="utf-8")
    small.build()  # of which the second is packaged
    small.release()
    config = json.loads((small.root / "registry/manifests/tiny-slots-v1.json").read_text(encoding="utf-8"))["config"]
    chosen = json.loads((small.root / "build/package/manifest.json").read_text(encoding="utf-8"))["chosen"]
    assert chosen == "base-r16-q8_0" and config["training"]["lora"]["r"] == 16
    assert "swept" not in config


def test_the_model_card_of_a_later_release_ends_with_what_changed(released: Small) -> None:
    first, last = (released.root / "releases" / f"tiny-slots-{v}" / "README.md" for v in ("v1", "v1.1"))
    assert "## Change log" not in first.read_text(encoding="utf-8")
    card = last.read_text(encoding="utf-8")
    assert card.startswith((released.root / "build/package/README.md").read_text(encoding="utf-8"))
    log = card.partition("## Change log\n")[2].splitlines()
    for line in (
        "Since tiny-slots-v1.0.1:",
        "- minor: the rows changed (train 10 -> 20, dev 2 -> 2, test 8 -> 8)",
        "- minor: the model's bytes are others",
        "| metric | tiny-slots-v1.0.1 | this release |",
        "| exact_match | 0.750 (0.650 to 0.850) | 0.875 (0.775 to 0.975) |",
    ):
        assert line in log, line


def test_a_card_with_its_log_is_verified_and_brought_back_like_any_file(released: Small) -> None:
    file = released.root / "releases/tiny-slots-v1.1/README.md"
    before = file.read_bytes()
    assert "all as written" in released.tunec("verify", "v1.1").out
    shutil.rmtree(file.parent)
    released.release("get", "v1.1")
    assert file.read_bytes() == before
    file.chmod(0o644)
    file.write_bytes(before.replace(b"this release", b"that release"))
    assert "README.md is not what was written" in released.tunec("verify", "v1.1", code=1).out


def test_the_log_of_a_card_is_no_change_of_its_own(released: Small) -> None:
    assert "nothing changed since tiny-slots-v1.1" in released.tunec("release", code=1).err
