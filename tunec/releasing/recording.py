"""A proposal as the files, the commit, the tag and the folder that it becomes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tunec import git
from tunec.releasing import build, manifest, registry, remembering, signing, wording
from tunec.releasing.making import Edit, Folder
from tunec.releasing.proposing import CHANGELOG, Proposal


def edit(repo: git.Repository, root: Path, proposal: Proposal) -> Edit:
    """Everything that making the release writes, ready to be written."""
    sealed = manifest.sealed(proposal.manifest)
    changelog = git.read(repo, proposal.parent, CHANGELOG) or b""
    files = {
        CHANGELOG: wording.changelog(changelog.decode("utf-8", "surrogateescape"), proposal).encode(
            "utf-8", "surrogateescape"
        ),
        registry.manifest_path(proposal.name): sealed,
        **_lines(repo, proposal, hashlib.sha256(sealed).hexdigest()),
    }
    if remembered := remembering.lines(root, proposal.manifest, proposal.shelf.texts[registry.CRITICAL]):
        files[registry.CRITICAL] = remembered
    tag = wording.tag_message(proposal, hashlib.sha256(sealed).hexdigest())
    held = folder_files(root / build.PACKAGE, proposal.manifest, sealed)
    if proposal.key:
        signature = signing.sign(held, proposal.name, proposal.key, repo.folder)
        files[registry.signature_path(proposal.name)] = signature
        held |= signed(signature)
    folder = Folder(proposal.name, held)
    return Edit(proposal.name, wording.commit_message(proposal), files, {proposal.name: tag}, None, folder)


def folder_files(source: Path, whole: dict[str, Any], sealed: bytes) -> dict[str, tuple[Path | bytes, str]]:
    """A release's folder out of a folder that holds the same files."""
    papers = manifest.papers(whole)
    files: dict[str, tuple[Path | bytes, str]] = {
        name: (papers.get(name, source / name), str(entry["sha256"])) for name, entry in whole["files"].items()
    }
    return {**files, manifest.NAME: (sealed, hashlib.sha256(sealed).hexdigest())}


def signed(signature: bytes | None) -> dict[str, tuple[Path | bytes, str]]:
    """The signature's own place in a release's folder, where there is one."""
    return {signing.NAME: (signature, hashlib.sha256(signature).hexdigest())} if signature else {}


def _lines(repo: git.Repository, proposal: Proposal, sealed: str) -> dict[str, bytes]:
    """The registry's files, each with the line that this release adds; data and runs that stand there add none."""
    texts, whole = proposal.shelf.texts, proposal.manifest
    files = {registry.RELEASES: registry.added(texts[registry.RELEASES], _release(repo, proposal, sealed))}
    for file, key, line in ((registry.RUNS, "run", _run(proposal)), (registry.DATASETS, "dataset", _dataset(whole))):
        known = registry.read(texts[file], file)
        if all(other.get(key) != line[key] for other in known):
            files[file] = registry.added(texts[file], line)
    return files


def _release(repo: git.Repository, proposal: Proposal, sealed: str) -> dict[str, Any]:
    """previous_tag: the hash of the tag before, so that one that is moved later is known."""
    whole, last = proposal.manifest, proposal.last
    before = git.tag(repo, last.name) if last else None
    return {
        **{key: whole[key] for key in ("release", "task", "version", "date", "commit")},
        "why": [f"{change.level}: {change.what}" for change in proposal.found],
        "verdict": whole["verdict"]["verdict"],
        "forced": whole["forced"],
        "model": whole["files"]["model.gguf"]["sha256"],
        "manifest": sealed,
        "dataset": whole["dataset"]["id"],
        "run": whole["compiled"]["dvc.lock"],
        "previous_tag": before.oid if before else None,
    }


def _run(proposal: Proposal) -> dict[str, Any]:
    """One build: what went in, and what was measured. Its name is the hash of its dvc.lock."""
    whole = proposal.manifest
    code = {kind: hashlib.sha256(build.canonical(parts).encode()).hexdigest() for kind, parts in whole["code"].items()}
    model = whole["base_model"]
    return {
        "run": whole["compiled"]["dvc.lock"],
        "commit": whole["commit"],
        "params": whole["compiled"]["params.yaml"],
        "dataset": whole["dataset"]["id"],
        "base_model": {"name": model["model"]["name"], "files": {f["name"]: f["sha256"] for f in model["files"]}},
        "code": code,
        "chosen": whole["chosen"],
        "figures": whole["figures"],
        "verdict": whole["verdict"]["verdict"],
    }


def _dataset(whole: dict[str, Any]) -> dict[str, Any]:
    found = whole["dataset"]
    return {"dataset": found["id"], "sources": found["sources"], "rows": found["rows"]}
