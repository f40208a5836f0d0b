"""Why the Hub did not give something, in words, whatever class of exception says so."""

from __future__ import annotations


def why(error: Exception) -> str:
    """`error`: what huggingface_hub or the network below it raised."""
    from huggingface_hub import errors

    told: tuple[tuple[type[Exception], str], ...] = (
        (errors.GatedRepoError, "its terms have to be accepted on its page first"),
        (errors.RepositoryNotFoundError, "there is none of that name, or it is not open to you"),
        (errors.RevisionNotFoundError, "it has no such commit"),
        (errors.LocalEntryNotFoundError, "it is not in the cache of this machine, and the Hub cannot be reached"),
        (errors.EntryNotFoundError, "it has no such file"),
        (errors.OfflineModeIsEnabled, "HF_HUB_OFFLINE is set, so the Hub is not asked"),
        (errors.HFValidationError, "that is no name of anything on the Hub"),
    )
    for kind, words in told:
        if isinstance(error, kind):
            return words
    if isinstance(error, errors.HfHubHTTPError):
        return f"the Hub answers with status {getattr(error.response, 'status_code', 'unknown')}"
    said = error.strerror if isinstance(error, OSError) else None
    return said.lower() if said else "the network failed on the way"
