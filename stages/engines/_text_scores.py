"""How likely a transformers model holds each of a few texts after a prompt. All are read, what they share once.

The texts' beginnings stand side by side in one pass, behind one copy of the prompt: each token sees the prompt, those
above it in its own text, and itself. Source: Cai et al. 2024, Medusa, section 2.1.2, tree attention.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

TEXTS = 64  # a pass: more only need more memory for what each token foretells


def scores(
    model: Any, prompt: Sequence[int], texts: Sequence[list[int]], prefix: tuple[int, Any], *, masked: bool
) -> list[float]:
    """The log-probability of each text after the prompt.

    prefix: how many of the prompt's tokens were read already, and their keys and values. masked: whether the model
    takes another's attention mask, and positions that repeat; each text has a row of its own otherwise.
    """
    import torch

    found, read = [0.0] * len(texts), _together if masked else _apart
    with torch.inference_mode():
        cache, rest = copy.deepcopy(prefix[1]), torch.tensor([prompt[prefix[0] :]])
        head = model(rest, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[0, -1].log_softmax(-1)
        order = sorted(range(len(texts)), key=texts.__getitem__)  # those that begin alike stand together
        for begin in range(0, len(order), TEXTS):
            places = order[begin : begin + TEXTS]
            some = [texts[place] for place in places]
            for place, score in zip(places, read(model, len(prompt), copy.deepcopy(cache), head, some), strict=True):
                found[place] = score
    return found


def _together(model: Any, length: int, cache: Any, head: Any, texts: Sequence[list[int]]) -> list[float]:
    """In one row. A text's last token is foretold and never read."""
    import torch

    row: dict[tuple[int, int], int] = {}  # the place of the token before, -1 where it is the first; the token -> place
    steps = []
    for text, tokens in enumerate(texts):
        before = -1
        for token, foretold in pairwise(tokens):
            before = row.setdefault((before, token), len(row))
            steps.append((text, before, foretold))
    first = head[[text[0] for text in texts]]
    if not row:
        return [float(score) for score in first]
    sees, depths = torch.zeros(len(row), length + len(row), dtype=torch.bool), [0] * len(row)
    sees[:, :length] = True
    for (before, _), place in row.items():
        if before >= 0:
            sees[place], depths[place] = sees[before], depths[before] + 1
        sees[place, length + place] = True
    logits = model(
        torch.tensor([[token for _, token in row]]),
        attention_mask=torch.where(sees, 0.0, torch.finfo(model.dtype).min)[None, None].to(model.dtype),
        position_ids=torch.tensor([[length + depth for depth in depths]]),
        past_key_values=cache,
        use_cache=True,
    ).logits[0]
    of, behind, said_next = map(torch.tensor, zip(*steps, strict=True))
    said = logits[behind, said_next] - logits.logsumexp(-1)[behind]
    return [float(score) for score in first.index_add(0, of, said)]


def _apart(model: Any, length: int, cache: Any, head: Any, texts: Sequence[list[int]]) -> list[float]:
    """Each in a row of its own, with a copy of the prompt's keys and values."""
    import torch

    cache.batch_repeat_interleave(len(texts))
    longest = max(map(len, texts))
    ids = torch.tensor([text + [0] * (longest - len(text)) for text in texts])
    mask = torch.tensor([[1] * (length + len(text)) + [0] * (longest - len(text)) for text in texts])
    logits = model(ids, attention_mask=mask, past_key_values=cache, use_cache=True).logits.log_softmax(-1)
    rest = logits[:, :-1].gather(2, ids[:, 1:, None])[..., 0] * mask[:, length + 1 :]
    return [float(score) for score in head[ids[:, 0]] + rest.sum(1)]
