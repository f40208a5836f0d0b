"""A release in words: what a person reads before and after, the changelog's entry, the messages of commit and tag."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from compiler.versions import spelled
from tunec.releasing import licensing, shelf, signing, targets
from tunec.releasing.change_log import markdown
from tunec.releasing.proposing import Proposal
from tunec.releasing.shelf import CANDIDATE, Release

_TITLE = "# Changelog\n"
_HEADING = re.compile(r"^## (?!\[?unreleased)", re.IGNORECASE | re.MULTILINE)


def summary(proposal: Proposal, files: list[str]) -> Iterator[str]:
    """What a release is and what it writes, line by line; the same before and after it is made."""
    whole, task = proposal.manifest, proposal.task
    yield f"{proposal.name}  {_version(proposal)}"
    yield from (f"  {change.level:<8}  {change.what}" for change in proposal.found)
    yield f"  verdict   {_verdict(whole)}"
    yield f"  measured  {_figure(whole, task.success_criteria.primary_metric)} with {whole['chosen']}"
    yield f"  licence   {next(licensing.words(whole))}"
    if signed := whole["signature"]:
        yield f"  signed    with the key {signed['key'][:16]}"
    yield f"  tag       {proposal.name}, annotated, on {proposal.branch.removeprefix('refs/heads/')}"
    yield f"  commit    {', '.join(files)}"
    yield f"  folder    {targets.FOLDER}/{proposal.name}: {_folder(whole['files'], signed=bool(whole['signature']))}"
    yield f"  keeps     {_keeps(proposal)}"
    yield from next_commands(whole, task.versioning.deploy_target)


def next_commands(whole: Mapping[str, Any], target: str) -> Iterator[str]:
    """How to take a release to its place."""
    yield from ("", f"Next, for {target}:", "")
    yield from (f"  {line}" for line in targets.commands(target, whole))


def commit_message(proposal: Proposal) -> str:
    return "\n".join([f"Release {proposal.name}", "", *_why(proposal)]) + "\n"


def tag_message(proposal: Proposal, sealed_sha256: str) -> str:
    """What `git show NAME` tells, the manifest's hash with it: whoever signs the tag signs all of it."""
    whole = proposal.manifest
    lines = [proposal.name, "", *_why(proposal), "", f"verdict: {_verdict(whole)}"]
    lines += [f"model.gguf: {whole['files']['model.gguf']['sha256']}", f"manifest: {sealed_sha256}"]
    return "\n".join(lines) + "\n"


def changelog(before: str, proposal: Proposal) -> str:
    """The changelog with an entry on top of the older ones; what stands under `Unreleased` stays where it is."""
    metric = proposal.task.success_criteria.primary_metric
    lines = [f"## {proposal.name} - {proposal.day.isoformat()}", ""]
    lines += [f"- {markdown(line)}" for line in _why(proposal)]
    lines += [f"- {markdown(_figure(proposal.manifest, metric))}; verdict: {markdown(_verdict(proposal.manifest))}."]
    entry = "\n".join(lines) + "\n"
    text = before or _TITLE
    found = _HEADING.search(text)
    if found:
        return f"{text[: found.start()]}{entry}\n{text[found.start() :]}"
    return text.rstrip("\n") + f"\n\n{entry}"


def _version(proposal: Proposal) -> str:
    number = spelled(proposal.number)
    return f"version {number}, after {proposal.last.name}" if proposal.last else f"version {number}, the first release"


def _why(proposal: Proposal) -> list[str]:
    return [f"{change.level}: {change.what}" for change in proposal.found] or ["The first release."]


def _verdict(whole: Mapping[str, Any]) -> str:
    verdict = str(whole["verdict"]["verdict"]).replace("_", " ")
    return f"{verdict}, forced: {whole['forced']}" if whole["forced"] else verdict


def _figure(whole: Mapping[str, Any], metric: str) -> str:
    figure = whole["figures"][metric]
    return f"{metric} {figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def _folder(files: Mapping[str, Mapping[str, Any]], *, signed: bool) -> str:
    held = ", ".join([*files, "release.json", *([signing.NAME] if signed else [])])
    return f"{held} ({sum(f['bytes'] for f in files.values()) / 1e6:.1f} MB)"


def _keeps(proposal: Proposal) -> str:
    """What retention says of the files once this release is made."""
    retention = proposal.task.versioning.retention
    new = Release(proposal.name, proposal.number, CANDIDATE, False, {})
    releases = [*proposal.shelf.releases, new]
    kept = shelf.kept(releases, retention)
    going = [r.name for r in releases if r.name not in kept and not r.pruned]
    rest = f"; `tunec release prune` would remove the files of {', '.join(going)}" if going else ""
    return f"the files of the newest {retention} and of all that are deployed: {', '.join(kept)}{rest}"
