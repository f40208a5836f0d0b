"""Labels as tokens, for both engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stages.diagnostics import fail

_KEY = "output_format.schema"


def label_tokens(labels: Sequence[str], tokenize: Callable[[str], list[int]]) -> list[list[int]]:
    """Each label's token ids. Raises T710 where a label has none, or two have the same."""
    texts = [tokenize(label) for label in labels]
    first: dict[tuple[int, ...], str] = {}
    for label, tokens in zip(labels, texts, strict=True):
        if not tokens:
            help = "name the label otherwise in output_format.schema, or choose another base model"
            raise fail("T710", f"the label {label!r} has no token that this model could say", help=help, key=_KEY)
        other = first.setdefault(tuple(tokens), label)
        if other != label:
            message = f"the labels {other!r} and {label!r} are the same tokens to this model"
            help = "name one of them otherwise in output_format.schema, or choose another base model"
            raise fail("T710", message, help=help, key=_KEY)
    return texts
