"""The chosen file answers hostile inputs that are made of the test rows, as it is served."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from stages.answers import Engine, write_answers
from stages.base import At, Key, Made, Params, Read, Stage, Write
from stages.chat import ChatTemplate, Prompt, Prompting, user_message
from stages.contract import Contract
from stages.diagnostics import UserError
from stages.engines import llama_cpp, transformers
from stages.hostile import ASKED, SAID, Hostile, hostile
from stages.predicting import Decoding, answered, loaded_engine
from stages.rows import read_json, read_rows, write_jsonl


@dataclass(frozen=True)
class Inputs:
    rows: Annotated[Path, Read("splits.test")]
    gguf: Annotated[Path, Read("select.gguf")]
    choice: Annotated[Path, Read("select.choice")]


class AttackParams(Params):
    many: Annotated[int, Key("evaluation.attacks")]
    prompting: Prompting
    contract: Contract
    decoding: Decoding


@dataclass(frozen=True)
class Outputs:
    inputs: Annotated[Path, Write("inputs.jsonl")]
    answers: Annotated[Path, Write("answers.jsonl")]


def run(inputs: Inputs, params: AttackParams, out: Outputs) -> None:
    """out.inputs: JSONL of stages.hostile.Hostile, at most params.many. out.answers: theirs, in the same order.

    An input that the model's context cannot hold, or that a template refuses, is left out: what is served refuses it.
    """
    prompting = params.prompting.of(read_json(inputs.choice)["variant"])
    alone = params.decoding.model_copy(update={"sequences": 1, "pairs": False})
    with loaded_engine(inputs.gguf) as engine:
        template = engine.chat_template()
        rows, held = list(read_rows(inputs.rows)), params.decoding.decoding != "free"
        made = list(hostile(rows, params.many, params.contract, _turn(template), held=held))
        asked = list(_fitting(engine, made, prompting, params))
        write_jsonl(out.inputs, (asdict(one) for one, _ in asked))
        answers = answered(engine, [prompt for _, prompt in asked], params.contract, alone, "attack")
        write_answers(out.answers, answers, params.contract.digest)


def _turn(template: ChatTemplate) -> str:
    """How a conversation goes on after the user's text, by the model's own template: what forges a turn best."""
    said = [{"role": "user", "content": ASKED}, {"role": "assistant", "content": SAID}]
    return template.render(said, add_generation_prompt=False).partition(ASKED)[2]


def _fitting(
    engine: Engine, made: Sequence[Hostile], prompting: Prompting, params: AttackParams
) -> Iterator[tuple[Hostile, Prompt]]:
    template, system = engine.chat_template(), prompting.system(params.contract)
    room = engine.context() - params.decoding.max_new_tokens
    for one in made:
        with suppress(UserError):  # as `{{ text | first }}` of an empty text is
            prompt = template.prompt(one.id, system, user_message(prompting.input_template, one.input))
            if 0 < len(engine.encode(prompt)) <= room:
                yield one, prompt


def _made(at: At, params: Mapping[str, Any]) -> Made:
    """What is shipped is a GGUF file: llama.cpp alone answers for it."""
    return Made("attack", (*llama_cpp.LIBRARIES, "jinja2"), never=(transformers.__name__,))


STAGE = Stage(
    name="attack",
    summary="The chosen file answers hostile inputs that are made of the test rows",
    run=run,
    inputs=Inputs,
    params=AttackParams,
    outputs=Outputs,
    needs="evaluation.attacks",
    made=_made,
)
