"""The base model as an encoder: the mean of its last hidden states, and logistic regression on top.

With `model: FOLDER` another encoder of the workspace, a transformers folder such as one of a sentence embedder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.baselines._options import option, path, taking
from stages.baselines.rule import SETTLED
from stages.catalog import Baseline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.answers import Answer
    from stages.baselines._ask import Question

BATCH, LONGEST = 32, 256  # rows at once; tokens of a message that are read


def answer(question: Question) -> Iterator[Answer]:
    """The likeliest label with its probability. Raises T330 to T333 when the encoder is not to be had, T334 when it
    wants to run code of its own."""
    from stages.base_model import Located, trainable
    from stages.baselines._linear import classified
    from stages.foreign_code import refuse_code

    named = option(question.options, "model", None)
    if named is None and question.model is None:
        raise ValueError("the encoder is declared with needs_model, and was given none")
    located = Located(Path(named), gguf=False) if named else trainable(question.model)  # type: ignore[arg-type]
    refuse_code(located.path)
    train = question.learned()
    read = reader(located)
    known = read([question.message(row) for row in train])
    labels = [str(row.output) for row in train]
    yield from classified(question, known, labels, lambda: read([question.message(row) for row in question.rows]))


def reader(located: Any) -> Callable[[Sequence[str]], Any]:
    """From texts to vectors. The weights are read once, now."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(located.path, trust_remote_code=False)
    model = AutoModel.from_pretrained(located.path, trust_remote_code=False, use_safetensors=True).float().eval()
    return lambda texts: embedded(tokenizer, model, texts)


def embedded(tokenizer: Any, model: Any, texts: Sequence[str]) -> Any:
    """(N, hidden) float32 of unit length. The same for a text whatever stands beside it, but for rounding."""
    import numpy as np
    import torch

    from stages import progress

    ids = [tokenizer(text)["input_ids"][:LONGEST] or [0] for text in texts]
    found = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
    order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
    with torch.inference_mode():
        for begin in range(0, len(order), BATCH):
            places = order[begin : begin + BATCH]
            found[places] = _means(model, [ids[place] for place in places])
            progress.tell(begin + len(places), len(order), "messages read")
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)


def _means(model: Any, ids: Sequence[list[int]]) -> Any:
    """Padded on the right, where a causal model never looks and another is told by the mask."""
    import torch

    longest = max(map(len, ids))
    tokens = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
    hidden = model(input_ids=tokens, attention_mask=mask).last_hidden_state
    return ((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)).numpy()


def files(options: Any) -> tuple[str, ...]:
    named = option(options, "model", None)
    return (f"{named.rstrip('/')}/*",) if isinstance(named, str) else ()


BASELINE = Baseline(
    "encoder",
    "embeddings and logistic regression",
    answer,
    needs_model=True,
    needs_train=True,
    embeds=True,
    libraries=("scikit-learn", "numpy"),
    settled=SETTLED,
    allowed=taking(model=path),
    fits=("label",),
    files=files,
)
