"""What a release brings to be believed: provenance, a bill of materials, a signature; and what licences forbid."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.rows import sha256
from tests.releasing.small import Small, copy, flip
from tunec.releasing import bom, manifest

FOLDER = "releases/tiny-slots-v1"
NOT_ITS_OWN = {"release.json", "provenance.json", "model.sig"}


def opened(small: Small, name: str) -> Any:
    return json.loads((small.root / FOLDER / name).read_text(encoding="utf-8"))


# ---------------------------------------------------------------- provenance and bill of materials


def test_a_bill_of_materials_is_the_same_each_time_and_names_each_part_once(small: Small) -> None:
    small.release()
    whole = opened(small, "release.json")
    base = whole["base_model"]
    base["files"] = [{"name": f"{n}.safetensors", "bytes": 1, "sha256": str(n) * 64} for n in range(3)]
    first = bom.bill(whole)
    assert bom.bill(whole) == first
    refs = [part["bom-ref"] for part in parts(first) if "bom-ref" in part]
    assert len(refs) == len(set(refs)) and "base-model:2.safetensors" in refs


def parts(found: Any) -> Iterator[dict[str, Any]]:
    """Every component of a bill, at any depth."""
    if isinstance(found, dict):
        yield from [found] if "name" in found and "type" in found else []
        found = list(found.values())
    if isinstance(found, list):
        for one in found:
            yield from parts(one)


def test_the_provenance_names_every_file_and_all_that_they_come_from(small: Small) -> None:
    small.release()
    said = opened(small, "provenance.json")
    assert (said["_type"], said["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://slsa.dev/provenance/v1",
    )
    subjects = {item["name"]: item["digest"]["sha256"] for item in said["subject"]}
    files = [path for path in (small.root / FOLDER).iterdir() if path.name not in NOT_ITS_OWN]
    assert subjects == {path.name: sha256(path) for path in files}
    definition, run = said["predicate"]["buildDefinition"], said["predicate"]["runDetails"]
    given = {item["name"]: item for item in definition["resolvedDependencies"]}
    assert given["source"]["digest"] == {"gitCommit": small.git("rev-parse", "tiny-slots-v1^{commit}~1")}
    assert given["data/raw/rows.jsonl"]["digest"]["sha256"] == sha256(small.root / "data/raw/rows.jsonl")
    assert given["models/base.gguf"]["digest"]["sha256"] == sha256(small.root / "models/base.gguf")
    assert any(item.get("uri", "").startswith("pkg:pypi/torch@") for item in given.values())
    assert definition["internalParameters"]["config"]["training"]["epochs"]
    assert {item["name"] for item in run["byproducts"]} >= {"build/gate/verdict.json", "build/score/scores.json"}


def test_the_provenance_is_an_in_toto_statement_for_its_own_library(small: Small) -> None:
    statement = pytest.importorskip("in_toto_attestation.v1.statement")
    from google.protobuf import json_format

    small.release()
    text = (small.root / FOLDER / "provenance.json").read_text(encoding="utf-8")
    parsed = json_format.Parse(text, statement.Statement([], "", {}).pb)
    statement.Statement.copy_from_pb(parsed).validate()


def test_the_bill_of_materials_is_valid_and_names_models_data_libraries_and_licences(small: Small) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    licensed(small, "cc-by-4.0")
    small.release()
    text = (small.root / FOLDER / "bom.json").read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    model = bill["metadata"]["component"]
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "tiny-slots", "1.0.0")
    assert model["hashes"] == [{"alg": "SHA-256", "content": sha256(small.root / FOLDER / "model.gguf")}]
    assert model["pedigree"]["ancestors"][0]["name"] == "base"
    (measured,) = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert (measured["type"], measured["value"]) == ("exact_match", "0.750000")
    parts = {part["name"]: part for part in bill["components"]}
    assert parts["base"]["type"] == "machine-learning-model" and parts["base"]["hashes"][0]["content"] == "0" * 64
    data = parts["data/raw/rows.jsonl"]
    assert data["licenses"] == [{"license": {"id": "CC-BY-4.0"}}] and data["type"] == "data"
    assert model["modelCard"]["modelParameters"]["datasets"] == [{"ref": data["bom-ref"]}]
    assert parts["torch"]["purl"].startswith("pkg:pypi/torch@")


def test_papers_say_the_same_wherever_the_same_release_is_made(small: Small, tmp_path: Path) -> None:
    other = copy(small.root, tmp_path / "elsewhere")
    for one in (small, other):
        one.release()
    for name in ("bom.json", "provenance.json", "release.json"):
        assert (small.root / FOLDER / name).read_bytes() == (other.root / FOLDER / name).read_bytes()
        assert str(tmp_path) not in (small.root / FOLDER / name).read_text(encoding="utf-8")


def test_papers_come_back_with_an_old_release(small: Small) -> None:
    small.release()
    kept = {path.name: path.read_bytes() for path in (small.root / FOLDER).iterdir()}
    assert {"bom.json", "provenance.json"} <= kept.keys()
    small.git("clean", "-xfdq", "releases")
    small.tunec("release", "get", "v1")
    assert {path.name: path.read_bytes() for path in (small.root / FOLDER).iterdir()} == kept


def test_a_release_that_was_made_before_there_were_papers_is_still_read(small: Small) -> None:
    small.release()
    whole = opened(small, "release.json")
    older = {key: value for key, value in whole.items() if key not in ("bom", "provenance", "signature", "self")}
    assert manifest.opened(manifest.sealed(older), "x")["release"] == "tiny-slots-v1"
    assert manifest.papers(older) == {}


# ---------------------------------------------------------------- licences


def licensed(small: Small, data: str, released: str | None = None) -> None:
    small.edit("path: data/raw/rows.jsonl", f"path: data/raw/rows.jsonl\n      license: {data}")
    if released:
        small.edit("versioning:", f"versioning:\n  license: {released}")
    small.build()


def test_the_licence_of_a_release_is_the_strictest_that_it_is_made_from(small: Small) -> None:
    licensed(small, "cc-by-nc-4.0")
    said = small.release().out
    assert "  licence   cc-by-nc-4.0; the base model base name none\n" in said
    assert opened(small, "bom.json")["metadata"]["component"]["licenses"] == [{"license": {"id": "CC-BY-NC-4.0"}}]


@pytest.mark.parametrize(
    ("data", "released", "says"),
    [
        ("cc-by-nd-4.0", None, "allows nothing that is made from it"),
        ("cc-by-sa-4.0", "mit", "passes on to what is made from it, not under mit"),
        ("cc-by-nc-4.0", "apache-2.0", "apache-2.0 would allow to sell"),
    ],
)
def test_a_licence_conflict_stops_a_release_and_names_the_part(
    data: str, released: str | None, says: str, small: Small
) -> None:
    licensed(small, data, released)
    before = small.state()
    for arguments in ([], ["--force", "we need it"], ["--dry-run"]):
        done = small.tunec("release", *arguments, code=1)
        assert done.err.startswith("error[T562]: this release would break a licence")
        assert says in done.err and "data/raw/rows.jsonl" in done.err and " = help: " in done.err
    assert small.state() == before


def test_a_licence_of_rows_runs_the_package_and_the_papers_alone(small: Small) -> None:
    before = (small.root / "params.yaml").read_text(encoding="utf-8")
    small.edit("path: data/raw/rows.jsonl", "path: data/raw/rows.jsonl\n      license: cc-by-4.0")
    said = json.loads(small.tunec("plan", "--json").out)
    assert {step["name"] for step in said["stages"] if step["state"] != "cached"} == {"package", "papers"}
    assert (small.root / "params.yaml").read_text(encoding="utf-8") == before, "a plan is a question"
    small.tunec("compile")
    assert "license: cc-by-4.0" in (small.root / "params.yaml").read_text(encoding="utf-8")
    small.edit("\n      license: cc-by-4.0", "")
    small.tunec("compile")
    assert (small.root / "params.yaml").read_text(encoding="utf-8") == before


# ---------------------------------------------------------------- signatures


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return made_key(tmp_path / "release.key")


def made_key(path: Path, *, password: bytes | None = None, curve: str = "SECP256R1") -> Path:
    """A private key, and beside it its public half."""
    pytest.importorskip("model_signing.signing", reason="tunec[signing] is not installed", exc_type=ImportError)
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(getattr(ec, curve)())
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    sealed = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    path.write_bytes(key.private_bytes(pem, pkcs8, sealed))
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    path.with_suffix(".pub").write_bytes(public)
    return path


def signed(small: Small, key: Path) -> str:
    said = small.release("--sign", str(key)).out
    assert "  signed    with the key " in said
    return str(key.with_suffix(".pub"))


def test_a_signed_release_verifies_with_its_key_wherever_it_lies(small: Small, key: Path, tmp_path: Path) -> None:
    public = signed(small, key)
    assert "all as written" in small.tunec("verify", "v1", "--key", public).out
    shutil.copytree(small.root / FOLDER, tmp_path / "downloaded")
    assert "all as written" in Small(tmp_path).tunec("verify", "downloaded", "--key", public).out
    assert "all as written" in Small(tmp_path).tunec("verify", "downloaded").out


def test_a_signature_is_checked_by_model_signing_itself(small: Small, key: Path) -> None:
    import sys

    public = signed(small, key)
    told = ["--signature", f"{FOLDER}/model.sig", "--public_key", public, FOLDER]
    command = [sys.executable, "-m", "model_signing", "verify", "key", *told]
    done = subprocess.run(command, cwd=small.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def another_file(folder: Path) -> None:
    (folder / "added.py").write_text("import os", encoding="utf-8")


def no_signature(folder: Path) -> None:
    (folder / "model.sig").unlink()


def rubbish(folder: Path) -> None:
    (folder / "model.sig").unlink()
    (folder / "model.sig").write_text('{"mediaType": "x"}', encoding="utf-8")


def everything_forged(folder: Path) -> None:
    """Another model, and a release.json that fits it: only the signature tells."""
    path = folder / "release.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    (folder / "Modelfile").chmod(0o644)
    (folder / "Modelfile").write_text("FROM ./evil.gguf\n", encoding="utf-8")
    whole["files"]["Modelfile"]["sha256"] = sha256(folder / "Modelfile")
    path.chmod(0o644)
    path.write_bytes(manifest.sealed({k: v for k, v in whole.items() if k != "self"}))


@pytest.mark.parametrize("broken", [another_file, no_signature, rubbish, everything_forged])
def test_a_signature_that_does_not_fit_is_named(
    broken: Callable[[Path], None], small: Small, key: Path, tmp_path: Path
) -> None:
    public = signed(small, key)
    alone = tmp_path / "downloaded"
    shutil.copytree(small.root / FOLDER, alone)
    broken(alone)
    for arguments in ([], ["--key", public]):
        done = Small(tmp_path).tunec("verify", "downloaded", *arguments, code=1)
        assert "error[T565]: the signature of downloaded does not fit" in done.out


def test_what_is_signed_with_another_key_or_with_none_is_not_trusted(small: Small, key: Path, tmp_path: Path) -> None:
    other = str(made_key(tmp_path / "other.key").with_suffix(".pub"))
    signed(small, key)
    assert (
        "error[T566]: releases/tiny-slots-v1 is signed with another key"
        in small.tunec("verify", "v1", "--key", other, code=1).out
    )
    small.edit("goal: A task for tests.", "goal: Another goal.")
    small.build()
    small.release()
    assert "is not signed" in small.tunec("verify", "v1.0.1", "--key", other, code=1).out


def test_a_byte_of_a_signature_is_named(small: Small, key: Path) -> None:
    signed(small, key)
    at, was = flip(small.root / FOLDER / "model.sig", 200)
    said = small.tunec("verify", "v1", code=1).out
    assert f"{FOLDER}/model.sig is not what was written: byte {at} is 0x{was ^ 0x20:02x}, was 0x{was:02x}" in said
    flip(small.root / "registry/signatures/tiny-slots-v1.json", 200)
    assert "registry/signatures/tiny-slots-v1.json is not what was written" in small.tunec("verify", "v1", code=1).out


def test_a_signature_comes_back_with_an_old_release(small: Small, key: Path) -> None:
    public = signed(small, key)
    small.git("clean", "-xfdq", "releases")
    small.tunec("release", "get", "v1")
    assert small.tunec("verify", "v1", "--key", public).code == 0


def test_a_key_with_a_password_takes_it_from_the_environment(small: Small, tmp_path: Path) -> None:
    key = made_key(tmp_path / "sealed.key", password=b"open sesame")
    done = small.tunec("release", "--sign", str(key), code=1)
    assert done.err.startswith("error[T563]: the key 'sealed.key' does not open") and "TUNEC_KEY_PASSWORD" in done.err
    wrong = small.tunec("release", "--sign", str(key), code=1, TUNEC_KEY_PASSWORD="knock")
    assert "error[T563]" in wrong.err and "knock" not in wrong.said
    assert "does not open with that password" in wrong.err and "TUNEC_KEY_PASSWORD" in wrong.err
    done = small.release("--sign", str(key), TUNEC_KEY_PASSWORD="open sesame")
    assert "open sesame" not in done.said
    assert not [f for f in small.root.rglob("*") if f.is_file() and b"open sesame" in f.read_bytes()]


@pytest.mark.parametrize("make", ["missing", "folder", "rubbish", "public", "curve"])
def test_a_key_that_is_none_is_refused_before_anything_is_written(
    make: str, small: Small, key: Path, tmp_path: Path
) -> None:
    named = {"missing": tmp_path / "nowhere.key", "folder": tmp_path, "public": key.with_suffix(".pub")}
    (tmp_path / "rubbish.key").write_text("-----BEGIN RUBBISH", encoding="utf-8")
    named["rubbish"] = tmp_path / "rubbish.key"
    named["curve"] = made_key(tmp_path / "curve.key", curve="SECP256K1")
    before = small.state()
    done = small.tunec("release", "--sign", str(named[make]), code=1)
    assert done.err.startswith("error[T563]") and "openssl" in done.err
    assert small.state() == before


def test_a_public_key_that_is_none_is_refused(small: Small, key: Path) -> None:
    signed(small, key)
    assert "error[T563]" in small.tunec("verify", "v1", "--key", "nowhere.pub", code=1).err
    assert "error[T563]" in small.tunec("verify", "v1", "--key", str(key), code=1).err


def test_without_model_signing_nothing_is_signed_and_verifying_says_what_it_left_out(
    small: Small, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    public = signed(small, key)
    monkeypatch.setitem(sys.modules, "model_signing.signing", None)
    done = small.tunec("verify", "v1")
    assert "warning[T564]: the signature was not checked" in done.out and "tunec[signing]" in done.out
    assert "error[T564]" in small.tunec("verify", "v1", "--key", public, code=1).err
    assert "error[T564]" in small.tunec("release", "--sign", str(key), code=1).err


# ---------------------------------------------------------------- experts


def test_a_field_that_hurts_people_is_not_released_unreviewed(small: Small) -> None:
    small.edit("task_type: extraction", "task_type: extraction\ndomain: clinical notes")
    small.build()
    before = small.state()
    for arguments in ([], ["--force", "we need it"], ["--dry-run"]):
        done = small.tunec("release", *arguments, code=1)
        assert done.err.startswith("error[T858]: `clinical notes` is medicine") and " = help: " in done.err
    assert small.state() == before
    small.edit("domain: clinical notes", "domain: clinical notes\nexpert_review: {by: Dr. Ada, on: 2026-01-31}")
    small.build()
    assert "tiny-slots-v1" in small.release().out


def test_a_review_stands_in_the_card() -> None:
    from stages.card import Reviewed, _reviewed

    said = list(_reviewed(Reviewed(by="Dr. Ada\n# Hostile", on="2026-01-31", scope="All test\nrows.")))
    assert said == ["- Reviewed by an expert: Dr. Ada # Hostile, 2026-01-31: All test rows."]
    assert not list(_reviewed(None))
