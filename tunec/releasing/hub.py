"""A release pushed to the Hugging Face Hub: its folder is a commit of a model repository, its version a tag on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.diagnostics import fail
from stages.wording import tame
from tunec.releasing.targets import Parcel

_NETWORK = ("httpx", "httpx2", "httpcore", "requests")  # whose errors huggingface_hub lets through, by its version
_LOGIN = "`hf auth login`, or put a token that may write into the environment variable HF_TOKEN"


def push(folder: Path, parcel: Parcel, repo: str | None) -> Iterator[str]:
    """repo: OWNER/NAME; None: the task's name, of whoever is logged in. Yields what was done.

    The repository then holds the folder's files and no others. Pushed again after it was cut off, it ends the same.
    Raises T571 for a name that is none, T572 when the Hub cannot be reached or refuses, T573 when it does not know you,
    T574 when the card is not valid.
    """
    from huggingface_hub import HfApi

    card(folder / "README.md")
    with _worded():
        api = HfApi()
        place = _named(repo) if repo else f"{api.whoami()['name']}/{parcel.task}"
        api.create_repo(place, exist_ok=True)
        if parcel.version in {tag.name for tag in api.list_repo_refs(place).tags}:
            yield f"{place} has {parcel.version} already; nothing was pushed"
            return
        message = f"{parcel.task} {parcel.version}"
        made = api.upload_folder(repo_id=place, folder_path=folder, commit_message=message, delete_patterns="*")
        api.create_tag(place, tag=parcel.version, revision=made.oid)
    yield f"{place} at {parcel.version}, commit {made.oid[:12]}"


def card(path: Path) -> Mapping[str, Any]:
    """The card's metadata. Raises T574 when the Hub could not read it."""
    from huggingface_hub import ModelCard
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # that there is no metadata is said below
    try:
        data = ModelCard(path.read_text(encoding="utf-8")).data.to_dict()
    except Exception as error:  # YAML of any kind of brokenness, and values of any kind
        why = " ".join(str(error).split())[:200]
        raise fail("T574", f"the model card's metadata cannot be read: {why}", help="build and release again") from None
    missing = next((name for name in ("license", "library_name", "tags") if not data.get(name)), None)
    if missing:
        help = "build and release again: the package stage writes it"
        raise fail("T574", f"the model card's metadata lacks `{missing}`", help=help)
    return dict(data)


def _named(repo: str) -> str:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError:
        help = "write it like `--repo OWNER/NAME`"
        raise fail("T571", f"{repo[:80]!a} is no name of a repository on the Hub", help=help) from None
    return repo


@contextmanager
def _worded() -> Iterator[None]:
    """The Hub's refusals in our words. What it says is shown; headers, in which a token stands, are not."""
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    try:
        yield
    except LocalTokenNotFoundError:
        raise fail("T573", "the Hub does not know who you are", help=_LOGIN) from None
    except HfHubHTTPError as error:
        raise _refused(error) from None
    except ValueError as error:  # how huggingface_hub says that the Hub does not take the card
        note = tame(" ".join(str(error).split()))[:300]
        raise fail("T574", "the Hub does not take the model card", notes=(note,), help="mend what it names") from None
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] not in _NETWORK:
            raise
        help = "check the network, or HF_ENDPOINT where it is set; pushing again goes on where it stopped"
        raise fail("T572", f"the Hub cannot be reached: {type(error).__name__}", help=help) from None


def _refused(error: Any) -> Exception:
    status = getattr(error.response, "status_code", 0)
    said = tame(" ".join((error.server_message or "").split()))[:300]
    notes = (f"it says: {said}",) if said else ()
    if status in (401, 403):
        return fail("T573", f"the Hub does not let you in ({status})", notes=notes, help=_LOGIN)
    return fail("T572", f"the Hub refuses ({status})", notes=notes, help="mend what it names, then push again")
