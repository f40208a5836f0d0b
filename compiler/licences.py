"""What licences ask of what is made from them, as far as a program can tell. It is no legal advice: it knows the terms
of some names, and stops what they plainly refuse.

| terms | such as | what is made from it must be |
|---|---|---|
| free | apache-2.0, cc-by-4.0 | under any licence |
| alike | cc-by-sa-4.0, llama3.2 | under the same one |
| non-commercial | cc-by-nc-4.0 | under a non-commercial one |
| no derivatives | cc-by-nd-4.0 | nothing: it may not be given away |
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

NAME = r"^[a-z0-9][a-z0-9.+-]{0,62}$"
_FREE = """
    mit apache-2.0 bsd-2-clause bsd-3-clause isc unlicense cc0-1.0 pddl-1.0 odc-by-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0
""".split()  # noqa: SIM905 - a list would be forty lines
# Licences of models pass on to what is trained from them, as share-alike ones do.
_ALIKE = """
    cc-by-sa-3.0 cc-by-sa-4.0 odbl-1.0 cdla-sharing-1.0 gpl-2.0 gpl-3.0 agpl-3.0 llama2 llama3 llama3.1 llama3.2
    llama3.3 llama4 gemma openrail bigscience-openrail-m creativeml-openrail-m cc-by-nc-sa-3.0 cc-by-nc-sa-4.0
    qwen-research
""".split()  # noqa: SIM905 - a list would be forty lines
_NONCOMMERCIAL = ("cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "qwen-research")
_NO_DERIVATIVES = ("cc-by-nd-3.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0")
KNOWN = tuple(sorted({*_FREE, *_ALIKE, *_NONCOMMERCIAL, *_NO_DERIVATIVES}))


class Part(NamedTuple):
    """Something that a model is made from, in words, and the licence that it names."""

    what: str
    licence: str


def released(stated: str | None, parts: Sequence[Part]) -> str | None:
    """The licence of what is made from these parts, the base model first: the stated one, or their strictest."""
    names = [part.licence for part in parts]
    strict = (set(_NO_DERIVATIVES), set(_ALIKE), set(_NONCOMMERCIAL))
    found = (name for terms in strict for name in names if name in terms)
    return stated or next(found, names[0] if names else None)


def conflicts(licence: str | None, parts: Sequence[Part]) -> Iterator[str]:
    """Why what is made from these parts may not be given away under this licence; nothing when it may."""
    for part in parts:
        if part.licence in _NO_DERIVATIVES:
            yield f"{part.what} is under {part.licence}, which allows nothing that is made from it"
        elif part.licence in _ALIKE and licence != part.licence:
            yield f"{part.what} is under {part.licence}, which passes on to what is made from it, not under {licence}"
        elif part.licence in _NONCOMMERCIAL and licence not in _NONCOMMERCIAL:
            yield f"{part.what} is under {part.licence}, and {licence} would allow to sell what is made from it"


def parts(base: str | None, model: str, sources: Sequence[tuple[str, str]]) -> list[Part]:
    """base: the base model's licence, if it names one. sources: (path, licence) of each data source that does."""
    found = [Part(f"the base model {model}", base)] if base else []
    return found + [Part(f"the data {path}", licence) for path, licence in sources]


def spelled(name: str) -> str:
    """A licence as SPDX and the Hub spell it in lower case: `CC BY 4.0` is cc-by-4.0."""
    return re.sub(r"[\s_]+", "-", name.strip().lower())
