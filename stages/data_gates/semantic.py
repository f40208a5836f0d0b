"""Rows that say the same in other words, by the embeddings of a model that the user brings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stages.catalog import DataGate
from stages.corpus import Corpus, Finding
from stages.diagnostics import fail
from stages.seen import Seen, Settings


def sift(corpus: Corpus, settings: Settings) -> Iterator[Finding]:
    """Of rows to train on with the same answer and a cosine above data.dedupe.semantic, the first by id stays.

    Raises T602 without semhash or without a model2vec model in data.dedupe.embedder.
    """
    by_answer: dict[int, list[int]] = {}
    for place in corpus.by_rank(corpus.trainable().tolist()):
        by_answer.setdefault(corpus.answers[place], []).append(place)
    model = _model(settings)
    for places in by_answer.values():
        if len(places) > 1:
            yield from _twins(corpus, places, model, settings.semantic)


def _twins(corpus: Corpus, places: list[int], model: Any, threshold: float) -> Iterator[Finding]:
    from semhash import SemHash

    records = [{"text": Seen(corpus.row(place), {}, corpus.contract).text, "place": place} for place in places]
    found = SemHash.from_records(records, columns=["text"], model=model).self_deduplicate(threshold=threshold)
    for dropped in found.filtered:
        twin = next((record["place"] for record, _ in dropped.duplicates), None)
        yield dropped.record["place"], "the same in other words", twin


def _model(settings: Settings) -> Any:
    try:
        import semhash  # noqa: F401 - asked for before the model is loaded
        from model2vec import StaticModel
    except ImportError:
        raise fail("T602", "the gate `semantic` needs semhash", help="pip install 'tunec[semantic]'") from None
    if not settings.embedder:
        help = "put a model2vec model into the workspace and name its folder in data.dedupe.embedder"
        raise fail("T602", "the gate `semantic` needs a model of embeddings", help=help)
    try:
        return StaticModel.from_pretrained(settings.embedder)
    except (OSError, ValueError) as error:
        help = "data.dedupe.embedder names a folder with config.json, model.safetensors and tokenizer.json"
        raise fail("T602", f"{settings.embedder} is no model of embeddings: {error}"[:300], help=help) from None


DATA_GATE = DataGate("semantic", "no two rows to train on say the same in other words", "off", sift=sift)
