"""Any endpoint that speaks OpenAI's chat completions, as an engine: for a larger model to be held against.

The key comes from the environment alone. Answers that have come are kept in build/partial/ until all are there, so a
build that was cut off, or an endpoint that went down, asks none of them again. What comes back is data: it is read,
never run or rendered.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages import progress
from stages.answers import Answer
from stages.chat import Prompt, conversation
from stages.contract import Contract
from stages.diagnostics import UserError, fail
from stages.journal import Journal, digest

PARTIAL = Path("build", "partial")
AT_ONCE, TRIES = 8, 3
LONGEST = 200_000  # characters of one answer that are kept
CONTEXT = 1_000_000  # tokens; what an endpoint reads is its own matter, and it says so


@dataclass(frozen=True)
class Messages:
    """An endpoint's chat template is its own: a prompt is the messages."""

    def prompt(self, id: str, system: str | None, user: str, shots: Sequence[tuple[str, str]] = ()) -> Prompt:
        turns = [text for shot in shots for text in shot] + [user]
        return Prompt(id, (), tuple((m["role"], m["content"]) for m in conversation(system, turns)))


class Refused(UserError):
    """The endpoint took a request and refuses it; status: HTTP's."""

    def __init__(self, status: int, error: UserError) -> None:
        super().__init__(*error.diagnostics)
        self.status = status


@dataclass
class Endpoint:
    """url: up to and with `/v1`. key_env: the environment variable that holds the key, where there is one.

    price: of a million tokens, {input, output}. schema: sent as response_format, where the endpoint is to hold to it.
    where: the key of the task that names it. tries: of one request.
    """

    url: str
    model: str
    key_env: str | None = None
    timeout: float = 60.0
    price: Mapping[str, float] | None = None
    schema: Any = None
    where: str = "baselines.larger"
    tries: int | None = None
    used: dict[str, int] = field(default_factory=lambda: {"input": 0, "output": 0})

    @classmethod
    def of(cls, options: Mapping[str, Any], contract: Contract) -> Endpoint:
        """From a baseline's options."""
        schema = contract.schema_ if options.get("structured") and contract.type == "json" else None
        timeout = float(options.get("timeout", 60))
        named = (options["endpoint"], options["model"], options.get("key_env"))
        return cls(*named, timeout, options.get("price"), schema)

    def chat_template(self) -> Messages:
        return Messages()

    def load(self) -> None:
        """Nothing is to be read."""

    def close(self) -> None:
        """Nothing is held."""

    def count_tokens(self, text: str) -> int:
        """About: four bytes a token."""
        return len(text.encode()) // 4

    def context(self) -> int:
        return CONTEXT

    def costs(self, rows: int) -> dict[str, float]:
        """What 1,000 such requests cost, where prices are named."""
        if self.price is None or not rows:
            return {}
        spent = sum(self.used[side] * self.price[side] for side in ("input", "output")) / 1e6
        return {"cost_per_1000": 1000 * spent / rows}

    def answer(
        self,
        prompts: Sequence[Prompt],
        *,
        max_new_tokens: int,
        grammar: str | None = None,
        hopeless: Callable[[str], bool] = lambda text: False,
        sequences: int = 8,
    ) -> Iterator[Answer]:
        """See stages.answers.Engine; `grammar` is not applied, and the free answer is the answer.

        Raises T720 without the key, T721 when the endpoint is down, slow or refuses, T722 for what is no answer.
        """
        bodies = [self._body(prompt, max_new_tokens) for prompt in prompts]
        journal = Journal(PARTIAL / f"{digest([self.url, self.model])[:16]}.jsonl")
        many = min(AT_ONCE, sequences, max(1, len(prompts)))
        with closing(self.client()) as client, ThreadPoolExecutor(many) as pool:
            try:
                asked = [pool.submit(self._once, client, body, journal) for body in bodies]
                for count, (prompt, future) in enumerate(zip(prompts, asked, strict=True), start=1):
                    said = future.result()
                    progress.tell(count, len(prompts), progress.ANSWERED)
                    self.used["input"] += said["input"]
                    self.used["output"] += said["tokens"]
                    yield Answer(prompt.id, said["text"], said["text"], said["tokens"], said["finish"])
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        journal.forget()

    def client(self) -> Any:
        try:
            from openai import DefaultHttpxClient, OpenAI
        except ImportError:
            raise fail("T720", "the package openai is not installed", help="pip install openai") from None
        key = os.environ.get(self.key_env) if self.key_env else "none"
        if not key:
            help = f"export {self.key_env}=… in the shell that builds; it is written down nowhere"
            raise fail(
                "T720", f"the environment variable {self.key_env} holds no key", help=help, key=f"{self.where}.key_env"
            )
        http = DefaultHttpxClient(follow_redirects=False)  # what answers for it stands in task.yaml, and nothing else
        tries = self.tries or TRIES
        return OpenAI(base_url=self.url, api_key=key, timeout=self.timeout, max_retries=tries - 1, http_client=http)

    def _body(self, prompt: Prompt, max_new_tokens: int) -> dict[str, Any]:
        messages = [{"role": role, "content": text} for role, text in prompt.messages]
        body = {"model": self.model, "messages": messages, "max_tokens": max_new_tokens, "temperature": 0}
        if self.schema is not None:
            form = {"name": "answer", "schema": self.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body

    def _once(self, client: Any, body: dict[str, Any], journal: Journal) -> dict[str, Any]:
        key = digest(body)
        if key not in journal.known:
            journal.add(key, self.asked(client, body))
        return journal.known[key]

    def asked(self, client: Any, body: dict[str, Any]) -> dict[str, Any]:
        """{text, tokens, input, finish} of one request. Raises T721 and T722; Refused where a status came back."""
        import openai

        try:
            reply = client.chat.completions.create(**body)
        except openai.APITimeoutError:
            raise self._down(f"did not answer within {self.timeout:g} s") from None
        except openai.APIConnectionError:
            raise self._down("cannot be reached") from None
        except openai.APIStatusError as error:
            raise Refused(error.status_code, self._down(f"refuses: status {error.status_code}")) from None
        except (openai.OpenAIError, ValueError) as error:
            raise self._junk(type(error).__name__) from None
        said = self._read(reply)
        return {**said, "text": said["text"].replace(client.api_key, "[key]")} if self.key_env else said

    def _read(self, reply: Any) -> dict[str, Any]:
        try:
            choice = reply.choices[0]
            text, usage = choice.message.content, reply.usage
            finish = "length" if choice.finish_reason == "length" else "stop"
            tokens = int(usage.completion_tokens) if usage else self.count_tokens(text)
            given = int(usage.prompt_tokens) if usage else 0
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise self._junk(type(error).__name__) from None
        if not isinstance(text, str) or tokens < 0 or given < 0:
            raise self._junk("its message has no text")
        return {"text": text[:LONGEST], "tokens": tokens, "input": given, "finish": finish}

    def _down(self, what: str) -> UserError:
        kept = "the answers that came are kept, and only the others are asked for then"
        help = f"start it, or correct {self.where}; then build again"
        return fail("T721", f"the endpoint {self.url} {what}", notes=(kept,), help=help, key=f"{self.where}.endpoint")

    def _junk(self, what: str) -> UserError:
        help = "check that the address ends in /v1 and speaks OpenAI's chat completions"
        return fail(
            "T722", f"the endpoint {self.url} gave no chat completion: {what}", help=help, key=f"{self.where}.endpoint"
        )
