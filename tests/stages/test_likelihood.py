"""Labels scored by likelihood, pairs by their margin: both engines, and against what a whole scoring says."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

from stages.contract import Contract
from stages.diagnostics import UserError
from stages.engines import _llama_labels
from stages.engines._labels import label_tokens
from stages.engines._llama_forced import divergence, forced, log_probabilities
from stages.engines._llama_labels import search
from stages.engines._prefix import shareable
from stages.engines._text_scores import scores
from stages.engines.llama_cpp import LlamaCpp
from stages.engines.transformers import Transformers
from stages.predicting import Decoding, answered
from tests.stages.tiny_gguf import TEXTS, asked, tiny_folder, tiny_gguf

LABELS = ("positive", "negative", "neutral", "yes", "yes please", "no", "other", "訂位")
_SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 64}
FAMILIES: dict[str, dict[str, int]] = {
    "llama": {**_SMALL, "num_key_value_heads": 1, "intermediate_size": 48},
    "qwen3": {**_SMALL, "num_key_value_heads": 1, "intermediate_size": 48, "head_dim": 16},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64},
    "opt": {**_SMALL, "ffn_dim": 48, "word_embed_proj_dim": 32},
}  # rotary and learned positions, counted by the model or by its mask
MANY = tuple(f"{letter}{number}" for letter in "abcdefghij" for number in range(30))


@pytest.fixture(scope="module")
def engine() -> Iterator[LlamaCpp]:
    with closing(LlamaCpp(tiny_gguf())) as opened:
        yield opened


def whole(engine: LlamaCpp, labels: Sequence[str] = LABELS) -> list[list[float]]:
    """Of each text and label, the log-probability of the label with the end of the answer: every label read whole."""
    texts = [[*engine.model.tokenize(label, special=False), engine._end()] for label in labels]
    pairs = [(engine.encode(prompt), text) for prompt in asked(*TEXTS) for text in texts]
    said = [
        float(log_probabilities(logits)[np.arange(len(text)), text].sum())
        for logits, (_, text) in zip(forced(engine.model, pairs), pairs, strict=True)
    ]
    return [said[i : i + len(labels)] for i in range(0, len(said), len(labels))]


@pytest.mark.parametrize("sequences", [1, 3, 16])
@pytest.mark.parametrize("labels", [LABELS, MANY], ids=["few", "more_than_a_cache_holds"])
def test_the_likeliest_label_is_found_without_scoring_all(
    engine: LlamaCpp, sequences: int, labels: Sequence[str]
) -> None:
    found = list(engine.label(asked(*TEXTS), labels, sequences=sequences))
    assert [answer.id for answer in found] == [str(n) for n in range(len(TEXTS))]
    for answer, said in zip(found, whole(engine, labels), strict=True):
        best = max(range(len(labels)), key=lambda place: said[place])
        assert answer.text == labels[best] and answer.free is None
        share = math.exp(said[best]) / sum(map(math.exp, said))
        assert answer.confidence == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize(("count", "longest", "share"), [(8, 4, True), (60, 5, True), (300, 6, True), (257, 6, False)])
def test_of_random_trees_the_search_finds_what_reading_all_does(
    engine: LlamaCpp, count: int, longest: int, share: bool
) -> None:
    chance, end = random.Random(count), 2
    drawn: set[tuple[int, ...]] = set()
    while len(drawn) < count:
        drawn.add(tuple(chance.choices(range(10, 16), k=chance.randint(1, longest))))
    texts, model = sorted(drawn), engine.model
    head = chance.choices(range(3, model.vocabulary), k=20)
    prompts = [head + chance.choices(range(3, model.vocabulary), k=chance.randint(5, 30)) for _ in range(3)]
    pairs = [(prompt, [*text, end]) for prompt in prompts for text in texts]
    said = [
        float(log_probabilities(logits)[np.arange(len(text)), text].sum())
        for logits, (_, text) in zip(forced(model, pairs), pairs, strict=True)
    ]
    for sequences in (1, 8):
        for found in search(model, prompts, texts, end, sequences=sequences, share=share):
            scores = np.array(said[found.index * count :][:count])
            assert found.label == scores.argmax()
            share_ = math.exp(scores.max() - np.logaddexp.reduce(scores))
            assert found.confidence == pytest.approx(share_, rel=0.05)


@pytest.mark.parametrize("each", [2, 5])
def test_branches_for_which_no_sequence_is_left_are_read_again(
    engine: LlamaCpp, each: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = list(engine.label(asked(*TEXTS), MANY, sequences=len(TEXTS)))
    monkeypatch.setattr(_llama_labels, "SEQUENCES", 1 + each * len(TEXTS))
    found = list(engine.label(asked(*TEXTS), MANY, sequences=len(TEXTS)))
    assert [answer.text for answer in found] == [answer.text for answer in right]


def test_a_label_has_room_behind_the_prompt(engine: LlamaCpp) -> None:
    room = engine.model.context - len(engine.encode(asked("word")[0]))
    fitting = next(n for n in range(room, 0, -1) if len(engine.encode(asked("word " * n)[0])) < engine.model.context)
    with pytest.raises(UserError, match="the longest answer"):
        list(engine.label([asked("word " * fitting)[0]], LABELS))


def test_rows_that_are_labelled_one_at_a_time_are_timed() -> None:
    with closing(LlamaCpp(tiny_gguf())) as opened:
        list(opened.label(asked(*TEXTS), LABELS, sequences=1))
        assert len(opened.seconds) == len(TEXTS) and min(opened.seconds) > 0


def test_both_engines_find_the_same_label(engine: LlamaCpp) -> None:
    with closing(Transformers(tiny_folder())) as other:
        theirs = list(other.label(asked(*TEXTS), LABELS))
    ours = list(engine.label(asked(*TEXTS), LABELS))
    assert [answer.text for answer in ours] == [answer.text for answer in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert a.confidence == pytest.approx(b.confidence, abs=0.02)


@pytest.mark.parametrize(("family", "more"), FAMILIES.items())
def test_texts_read_side_by_side_score_as_each_by_itself(family: str, more: dict[str, int]) -> None:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, vocab_size=120, **more)).eval()
    assert shareable(model)
    chance, prompt = random.Random(3), [5, 6, 7, 8, 9]
    drawn = {tuple(chance.choices(range(10, 14), k=chance.randint(1, 5))) for _ in range(150)}
    texts = [[*text, 2] for text in sorted(drawn)] + [[2]]  # several passes, and a text that is nothing but its end
    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        model(torch.tensor([prompt[:3]]), past_key_values=cache, use_cache=True)
        alone = [model(torch.tensor([prompt + text])).logits[0].log_softmax(-1)[4:-1] for text in texts]
    right = [float(said[range(len(text)), text].sum()) for said, text in zip(alone, texts, strict=True)]
    for masked in (True, False):
        assert scores(model, prompt, texts, (3, cache), masked=masked) == pytest.approx(right, abs=1e-4)
    assert scores(model, prompt, [[2]], (3, cache), masked=True) == pytest.approx(right[-1:], abs=1e-4)
    assert cache.get_seq_length() == 3  # what is shared stays as it was


def test_long_texts_stand_side_by_side_in_no_time() -> None:
    """Two answers of a preference may have a thousand tokens and more."""
    torch.manual_seed(0)
    more = {**FAMILIES["llama"], "max_position_embeddings": 2048}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", vocab_size=120, **more)).eval()
    chance = random.Random(3)
    texts = [chance.choices(range(120), k=1500) for _ in range(2)]
    begun = time.process_time()
    found = scores(model, [5, 6], texts, (0, DynamicCache(config=model.config)), masked=True)
    assert time.process_time() - begun < 3
    apart = scores(model, [5, 6], texts, (0, DynamicCache(config=model.config)), masked=False)
    assert found == pytest.approx(apart, rel=1e-4)


def test_both_engines_find_the_same_margins_and_the_better_answer_leads(engine: LlamaCpp) -> None:
    pairs = [("positive", "negative")] * len(TEXTS)
    with closing(Transformers(tiny_folder())) as other:
        theirs = list(other.margins(asked(*TEXTS), pairs))
    ours = list(engine.margins(asked(*TEXTS), pairs))
    assert ours == pytest.approx(theirs, abs=0.02)
    turned = list(engine.margins(asked(*TEXTS), [(b, a) for a, b in pairs]))
    assert turned == pytest.approx([-margin for margin in ours], abs=1e-6)


def test_a_label_without_a_token_is_refused() -> None:
    with pytest.raises(UserError) as error:
        label_tokens(["yes", ""], lambda text: list(text.encode()))
    assert error.value.diagnostics[0].code == "T710" and "''" in error.value.diagnostics[0].message


def test_labels_of_the_same_tokens_are_refused() -> None:
    with pytest.raises(UserError, match="the same tokens"):
        label_tokens(["Yes", "yes"], lambda text: list(text.lower().encode()))


def test_no_prompt_gives_no_answer(engine: LlamaCpp) -> None:
    assert list(engine.label([], LABELS)) == [] and list(engine.margins([], [])) == []


def test_a_task_asks_for_likelihood_by_its_decoding(engine: LlamaCpp) -> None:
    contract = Contract(type="label", schema_={"enum": list(LABELS)})
    decoding = Decoding(max_new_tokens=8, sequences=4, decoding="likelihood")
    found = list(answered(engine, asked(*TEXTS), contract, decoding))
    assert all(answer.confidence is not None and answer.text in LABELS for answer in found)


def test_a_model_diverges_from_itself_by_nothing(engine: LlamaCpp) -> None:
    pairs = [(engine.encode(prompt), engine.model.tokenize("yes please", special=False)) for prompt in asked(*TEXTS)]
    for logits in forced(engine.model, pairs):
        apart, agree = divergence(logits, logits)
        assert apart == pytest.approx(0, abs=1e-9) and agree == 1.0


def test_divergence_is_what_the_definition_says() -> None:
    a, b = (
        np.log(np.array([[0.5, 0.25, 0.25], share], dtype=np.float32)) for share in ([0.1, 0.8, 0.1], [0.3, 0.3, 0.4])
    )
    apart, agree = divergence(a, b)
    expected = 0.5 * sum(p * math.log(p / q) for p, q in zip((0.1, 0.8, 0.1), (0.3, 0.3, 0.4), strict=True))
    assert apart == pytest.approx(expected, abs=1e-6) and agree == 0.5
