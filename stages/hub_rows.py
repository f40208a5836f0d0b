"""The files of a source: those of the workspace, or those of a data set on the Hub at one commit."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

from stages.diagnostics import fail
from stages.making import Source


def files_of(source: Source) -> list[Path]:
    """Where a source's files are. A Hub's are fetched once, into its own cache, and never move: the commit is pinned.

    Raises T603 when they cannot be fetched, or the data set has none of that name.
    """
    return _fetched(source, *source.hub.split("@")) if source.hub else [Path(file) for file in source.files]


def _fetched(source: Source, repo: str, commit: str) -> list[Path]:
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    from stages.hub_refusals import why

    try:
        every = [source.path]
        if "*" in source.path:
            every = HfApi().list_repo_files(repo, repo_type="dataset", revision=commit)
        names = sorted(name for name in every if fnmatchcase(name, source.path))
        found = [Path(hf_hub_download(repo, name, repo_type="dataset", revision=commit)) for name in names]
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        help = "look at its name and commit on the Hub, and at the network; HF_TOKEN opens one that is private"
        raise fail(
            "T603", f"the data set {repo}@{commit} cannot be had from the Hub: {why(error)}", help=help
        ) from None
    if not found:
        raise fail("T603", f"the data set {repo} has no file {source.path}", help="see `Files` on its page of the Hub")
    return found
