"""llama-cpp-python's server with a release's model in it, prompted as it was measured, behind its door."""

from __future__ import annotations

import ipaddress
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from stages.counting import counted
from stages.diagnostics import UserError, fail
from stages.rows import dumps
from tunec.serving.door import ANSWER_SECONDS, CHAT, Door
from tunec.serving.served import Served

if TYPE_CHECKING:
    from stages.chat import Prompt

KEY = "TUNEC_API_KEY"  # the environment variable that holds it
LONGEST_CONTEXT = 8192  # tokens; a longer one costs memory that no request of a specialist fills
_FORMAT = "tunec"
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})


def run(served: Served, host: str, port: int) -> None:
    """Serve until it is stopped. Raises T580 to T582, and what loading the model raises."""
    key = os.environ.get(KEY) or None
    require_safe(host, key)
    _require_library()
    taken = _socket(host, port)
    door = Door(_inner(served), served, key, None if key else _LOCAL)
    import uvicorn

    place = f"[{host}]" if ":" in host else host
    address = f"http://{place}:{taken.getsockname()[1]}"
    taken.listen(128)  # who reads the next line may ask at once
    print(f"{served.name} at {address}{CHAT}, until you stop it (Ctrl-C)", flush=True)
    config = uvicorn.Config(door, log_level="warning", access_log=False, server_header=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[taken])


def require_safe(host: str, key: str | None) -> None:
    """Raises T580 for an address that others can reach, unless they need a key."""
    if key or _is_loopback(host):
        return
    help = f"put a key into the environment variable {KEY}, or serve on 127.0.0.1"
    raise fail("T580", f"{host[:80]!a} can be reached from other machines, and no key is asked for", help=help)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _socket(host: str, port: int) -> socket.socket:
    """Taken before the model is loaded, so that a port that is not free is told at once. Raises T582."""
    taken = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        taken = socket.socket(family, kind, protocol)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
    except (OSError, OverflowError, UnicodeError) as error:
        if taken:
            taken.close()
        why = getattr(error, "strerror", None) or str(error)
        help = "name another with `--port`; 0 takes any that is free"
        raise fail("T582", f"cannot listen on {host[:80]!a} port {port}: {why}", help=help) from None
    return taken


def _require_library() -> None:
    """Raises T581 when the server's own libraries are missing."""
    try:
        import uvicorn  # noqa: F401
        from llama_cpp.server import app  # noqa: F401
    except ImportError as error:
        raise fail("T581", f"the server cannot start: {error}", help="pip install 'tunec[serve]'") from None


def _inner(served: Served) -> Any:
    """The library's own application. Its settings come from here alone: it would read any of them from variables of the
    environment such as MODEL or CONFIG_FILE, too.
    """
    from llama_cpp.server.app import create_app
    from llama_cpp.server.settings import ModelSettings, ServerSettings

    _register(served)
    with _plain_environment([*ModelSettings.model_fields, *ServerSettings.model_fields, "config_file"]):
        model = ModelSettings(
            model=str(served.model),
            model_alias=served.name,
            chat_format=_FORMAT,
            n_ctx=_context(served),
            verbose=False,
        )
        try:
            return create_app(server_settings=ServerSettings(), model_settings=[model])
        except (ValueError, RuntimeError) as error:
            help = "close other programs; `tunec verify` says whether the file is whole"
            raise fail("T351", f"llama.cpp cannot load {served.model.name}: {error}", help=help) from None


@contextmanager
def _plain_environment(names: list[str]) -> Iterator[None]:
    upper = {name.upper() for name in names}
    kept = {name: value for name, value in os.environ.items() if name.upper() in upper}
    for name in kept:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(kept)


def _context(served: Served) -> int:
    """Tokens of prompt and answer together."""
    from stages import gguf_header

    metadata = gguf_header.read(served.model).metadata
    trained = metadata.get(f"{metadata.get('general.architecture')}.context_length")
    return min(trained, LONGEST_CONTEXT) if isinstance(trained, int) and trained > 0 else LONGEST_CONTEXT


def _register(served: Served) -> None:
    """Teach the library how this release is prompted: by the file's chat template in our sandbox, without thinking, and
    with the marks of a conversation inside a user's text as plain text. Its own way takes them for marks.
    """
    from llama_cpp import StoppingCriteriaList
    from llama_cpp.llama_chat_format import LlamaChatCompletionHandlerRegistry

    template, system = served.template, served.system
    template.prompt("first", system, "hello")  # a template that cannot be rendered is told now, and in our words
    scored = _scorer(served) if served.decoding == "likelihood" else None

    def answer(*, llama: Any, messages: list[dict[str, str]], **given: Any) -> Any:
        prompt = template.prompt("", system, messages[-1]["content"])
        if scored:
            return _as_chat(scored(prompt))
        tokens = [
            t
            for piece in prompt.pieces
            for t in llama.tokenize(piece.text.encode(), add_bos=False, special=not piece.plain)
        ]
        end = time.monotonic() + ANSWER_SECONDS
        stopping = StoppingCriteriaList([lambda ids, logits: time.monotonic() > end])
        wanted = {name: given[name] for name in ("temperature", "top_p", "min_p", "repeat_penalty", "max_tokens")}
        made = llama.create_completion(
            prompt=tokens, grammar=given.get("grammar"), stopping_criteria=stopping, **wanted
        )
        return _as_chat(made)

    LlamaChatCompletionHandlerRegistry().register_chat_completion_handler(_FORMAT, answer, overwrite=True)


def _scorer(served: Served) -> Callable[[Prompt], dict[str, Any]]:
    """Answers by likelihood, which the library's own model cannot: as completions of the engine that measured them. The
    file's pages are in memory once, whoever looks at them. A prompt is as long as one that is generated from at most.
    """
    from stages.engines.llama_cpp import LlamaCpp

    engine, most = LlamaCpp(served.model), _context(served)
    engine.load()

    def scored(prompt: Prompt) -> dict[str, Any]:
        read = len(engine.encode(prompt))
        # In the library's words, by which its server knows what is too long.
        too_long = ValueError(f"Requested tokens ({read}) exceed context window of {most}")
        if read >= most:
            raise too_long
        try:
            answer = served.answer(engine, prompt)
        except UserError:
            raise too_long from None
        usage = {"prompt_tokens": read, "completion_tokens": answer.tokens, "total_tokens": read + answer.tokens}
        choice = {"index": 0, "text": answer.text, "logprobs": None, "finish_reason": answer.finish}
        about = {"id": f"cmpl-{uuid4()}", "created": int(time.time()), "model": served.name}
        return {**about, "choices": [choice], "usage": usage}

    return scored


def _as_chat(made: Mapping[str, Any]) -> dict[str, Any]:
    """A completion in OpenAI's form of a chat's."""
    (choice,) = made["choices"]
    message = {"role": "assistant", "content": choice["text"]}
    told = {"index": 0, "message": message, "logprobs": None, "finish_reason": choice["finish_reason"]}
    return {**made, "object": "chat.completion", "choices": [told]}


def ask(served: Served, given: dict[str, Any]) -> str:
    """The answer to one input, without a server: by the engine that measured it. Raises T322 for a missing field."""
    from contextlib import closing

    from stages.engines.llama_cpp import LlamaCpp

    missing = sorted(served.fields - given.keys())
    if missing:
        help = "write it like `text='a table for two'`"
        raise fail("T584", f"the input has no `{missing[0]}`", help=help)
    with closing(LlamaCpp(served.model)) as engine:
        prompt = engine.chat_template().prompt("asked", served.system, served.message(given))
        answer = served.answer(engine, prompt)
    if not served.contract.valid(answer.text):
        raise _broken(answer.tokens)
    return dumps(served.contract.read(answer.text)) if served.contract.type == "json" else answer.text.strip()


def _broken(tokens: int) -> UserError:
    help = "a longer `evaluation.max_new_tokens` gives an answer more room; then build and release again"
    return fail("T585", f"the answer breaks the contract, after {counted(tokens, 'token')}", help=help)
