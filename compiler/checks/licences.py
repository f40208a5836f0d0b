"""Licences of the base model and the data, against each other and against the one that a release is to be under."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.checks._check import Found, Look, check
from compiler.licences import KNOWN, conflicts, parts, released, spelled
from compiler.resolve import did_you_mean


@check("T560", "warning")
def licences_agree(look: Look) -> Iterator[Found]:
    """The licences of base model and data do not let the model be given away as it is to be.

    It can be built and measured; `tunec release` refuses it. Choose another base model or other data, or the licence
    that they ask for as `versioning.license`.
    """
    task = look.task
    stated = [(source.path, source.license) for source in task.data.sources if source.license]
    made_from = parts(task.base_model.license, task.training.base_model, stated)
    licence = released(task.versioning.license, made_from)
    for why in conflicts(licence, made_from):
        at = "versioning.license" if task.versioning.license else "data.sources" if stated else "training.base_model"
        yield Found(
            f"a release would break a licence: {why}", at, "other data or base model, or another `versioning.license`"
        )


@check("T561", "warning")
def licence_is_known(look: Look) -> Iterator[Found]:
    """A licence whose terms tunec does not know, so that nothing is held against them.

    Write the SPDX name in lower case, such as cc-by-4.0. Of a licence that is none of SPDX's, read the terms yourself.
    """
    stated = {f"data.sources.{n}.license": source.license for n, source in enumerate(look.task.data.sources)}
    stated["versioning.license"] = look.task.versioning.license
    for at, name in stated.items():
        if name and name not in KNOWN:
            help = did_you_mean(spelled(name), list(KNOWN)) or "read its terms yourself, then there is nothing to do"
            yield Found(f"tunec does not know the terms of `{name}`", at, help)
