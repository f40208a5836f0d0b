"""Tiny random models with a real tokenizer, for every test that needs weights but no wits.

The tokenizer is a SentencePiece BPE, trained in the fixture, not a GPT-2 byte-level BPE: llama.cpp has to know a
byte-level tokenizer's splitting rule by name, and the official converter finds that name by a hash over token ids,
which a tokenizer trained here cannot match. A SentencePiece tokenizer has no splitting rule, so the
converter takes `tokenizer.model` as it is (`_set_vocab_sentencepiece`) and no hash is faked. Bytes fall back to
byte tokens, so any text can be written. `tokenizer.json` holds the same pieces and merges for transformers.
No dummy prefix and no added BOS: both sides then give the same tokens for the same text, special tokens included.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

VOCABULARY = 600
CONTROL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SENTENCES = (
    "Read the slots of a booking request and answer with JSON.",
    "There will be 5 adults and 1 child on Friday at 7:30 pm.",
    "Table for two, please, under the name Anna Lindqvist tomorrow evening at eight.",
    'Answer: {"people": "5 adults and 1 child", "date": "Friday", "time": "7:30 pm"}',
    'Answer: {"first_name": "Anna", "last_name": "Lindqvist", "people": "two"}',
    "Can I book a table for 11 people at noon on the 23rd of August?",
    "system user assistant positive negative neutral yes no other",
    "What is my balance? I lost my card yesterday and want a new one sent to my home address.",
)
_LLAMA = {"intermediate_size": 128, "num_key_value_heads": 2, "head_dim": 16}
SHAPES: dict[str, dict[str, Any]] = {
    "llama": _LLAMA,
    "mistral": {**_LLAMA, "sliding_window": 32},
    "qwen3": {**_LLAMA},
    "gemma3_text": {**_LLAMA, "sliding_window": 32, "layer_types": ["sliding_attention", "full_attention"]},
    "lfm2": {"intermediate_size": 128, "num_key_value_heads": 2, "layer_types": ["conv", "full_attention"]},
    "mpt": {"max_seq_len": 512},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 32},
}


def tiny_model(folder: Path, family: str = "llama", context: int = 512) -> Path:
    """Write a random causal LM (2 layers, hidden 64, vocabulary 600) as a transformers folder. context: in tokens.

    family: llama, qwen3; mistral and gemma3_text, which have a sliding window of 32 tokens; lfm2, whose first layer is
    a convolution; mpt and gpt_neo, which write their own attention (the last three only run in transformers). The same
    bytes every time, in under 2 s once transformers is imported. Converts with the official converter and runs in
    llama.cpp. Returns `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_tokenizer(folder, context)
    _write_weights(folder, family, context)
    return folder


def _write_weights(folder: Path, family: str, context: int) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        family,
        vocab_size=VOCABULARY,
        num_attention_heads=4,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=VOCABULARY_OF_CONTROL["<|im_end|>"],
        pad_token_id=VOCABULARY_OF_CONTROL["<|endoftext|>"],
        **{"hidden_size": 64, "num_hidden_layers": 2, **SHAPES[family]},
    )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.save_pretrained(folder)


# SentencePiece gives <unk>, <s> and </s> the first three ids and the control symbols the next ones.
VOCABULARY_OF_CONTROL = {token: 3 + place for place, token in enumerate(CONTROL)}


def _write_tokenizer(folder: Path, context: int) -> None:
    pieces = _train()
    (folder / "tokenizer.model").write_bytes(pieces)
    _write_json(folder / "tokenizer.json", json.loads(_fast(pieces)))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "add_bos_token": False,
            "add_eos_token": False,
            "add_prefix_space": False,
            "bos_token": "<s>",
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "unk_token": "<unk>",
            "clean_up_tokenization_spaces": False,
            "model_max_length": context,
            "chat_template": TEMPLATE,
            "added_tokens_decoder": {
                str(id): {"content": token, "special": True, "normalized": False, "lstrip": False, "rstrip": False}
                for token, id in _specials().items()
            },
        },
    )


def _specials() -> dict[str, int]:
    return {"<unk>": 0, "<s>": 1, "</s>": 2, **VOCABULARY_OF_CONTROL}


def _train() -> bytes:
    """A SentencePiece model file: BPE with byte fallback, text taken as it is."""
    import sentencepiece

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=written,
        model_type="bpe",
        vocab_size=VOCABULARY,
        byte_fallback=True,
        control_symbols=list(CONTROL),
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        split_digits=True,
        num_threads=1,
        minloglevel=2,
    )
    return written.getvalue()


def _fast(pieces: bytes) -> str:
    """The same tokenizer as `tokenizer.json`: a merge for every way to put two pieces together to a third."""
    import sentencepiece
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    read = sentencepiece.SentencePieceProcessor(model_proto=pieces)
    texts = [read.id_to_piece(id) for id in range(read.vocab_size())]
    ids = {text: id for id, text in enumerate(texts)}
    merges = [
        (text[:cut], text[cut:])
        for id, text in sorted(enumerate(texts), key=lambda item: (-read.get_score(item[0]), item[0]))
        if not (read.is_control(id) or read.is_unknown(id) or read.is_byte(id))
        for cut in range(1, len(text))
        if text[:cut] in ids and text[cut:] in ids
    ]
    tokenizer: Any = Tokenizer(
        models.BPE(vocab=ids, merges=merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="never", split=False)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in _specials()])
    return str(tokenizer.to_str())


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
