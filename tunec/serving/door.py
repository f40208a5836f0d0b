"""The door of a server: what is asked is checked before the model sees it, what it says before anybody gets it.

    POST /v1/chat/completions   OpenAI's form; one message of the user, which is the filled input template
    POST /v1/answer             {"input": {field: value}} -> {"answer": value}; the template is filled here
    GET  /v1/models  /health  /metrics

Everything else is 404. Behind it stands llama-cpp-python's server, which gets a request of our own making: greedy,
under the contract's grammar, no longer than was measured. Nothing that a client sends reaches it but the text.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from stages.contract import loads
from stages.counting import counted
from stages.diagnostics import UserError
from stages.rows import dumps
from tunec.serving.figures import Figures
from tunec.serving.served import Served

MOST_BYTES = 256 * 1024  # of a request's body
MOST_WAITING = 64  # requests in the house at once
READ_SECONDS = 10.0  # for a body to arrive
ANSWER_SECONDS = 60.0  # for one answer, from when its turn comes
CHAT, ANSWER, MODELS, HEALTH, METRICS = "/v1/chat/completions", "/v1/answer", "/v1/models", "/health", "/metrics"
_METHODS = {CHAT: "POST", ANSWER: "POST", MODELS: "GET", HEALTH: "GET", METRICS: "GET"}
_NOT_SERVED = ("stream", "tools", "functions")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Refused(Exception):
    """A request that is not answered: the status, why, and OpenAI's word for it."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status, self.message, self.kind = status, message, kind


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    type: str = "application/json"

    @classmethod
    def of(cls, value: Any, status: int = 200) -> Reply:
        return cls(status, dumps(value).encode())


@dataclass
class Door:
    """An ASGI application around another. key: that every request must bring, /health aside; None: anybody may ask.

    hosts: the names that a request may ask for, so that no web page can lead a browser here by a name of its own; None
    where a key keeps the door.
    """

    inner: App
    served: Served
    key: str | None = None
    hosts: frozenset[str] | None = None
    figures: Figures = field(default_factory=Figures)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.inner(scope, receive, send)
        elif scope["type"] == "http":
            reply = await self._reply(scope, receive)
            self.figures.codes[reply.status] += 1
            await _send(send, reply)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _reply(self, scope: Message, receive: Receive) -> Reply:
        try:
            return await self._answered(scope, receive)
        except Refused as refused:
            return _error(refused.status, refused.message, refused.kind)
        except Exception:  # nothing of it is told to a stranger
            return _error(500, "the server failed", "server_error")

    async def _answered(self, scope: Message, receive: Receive) -> Reply:
        path, headers = str(scope["path"]), _headers(scope)
        self._let_in(path, str(scope["method"]), headers)
        if path == HEALTH:
            return Reply.of({"status": "ok", "model": self.served.name})
        if path == METRICS:
            return Reply(200, self.figures.text().encode(), "text/plain; version=0.0.4")
        if path == MODELS:
            return Reply.of({"object": "list", "data": [{"id": self.served.name, "object": "model"}]})
        if self.figures.waiting >= MOST_WAITING:
            raise Refused(503, "too many requests are waiting; ask again in a second", "server_error")
        self.figures.waiting += 1
        try:
            return await self._asked(path, scope, receive, await _body(headers, receive))
        finally:
            self.figures.waiting -= 1

    def _let_in(self, path: str, method: str, headers: Mapping[str, str]) -> None:
        if path not in _METHODS:
            raise Refused(404, f"there is nothing here; there are {', '.join(_METHODS)}")
        if method != _METHODS[path]:
            raise Refused(405, f"{path} takes {_METHODS[path]}")
        if self.hosts is not None and _host(headers) not in self.hosts:
            raise Refused(403, "this server answers to the names of this machine alone")
        brought = headers.get("authorization", "").removeprefix("Bearer ")
        if self.key and path != HEALTH and not hmac.compare_digest(brought.encode(), self.key.encode()):
            raise Refused(401, "the key is missing or wrong", "authentication_error")

    async def _asked(self, path: str, scope: Message, receive: Receive, body: Mapping[str, Any]) -> Reply:
        text = self._user(body) if path == CHAT else self._filled(body)
        began = time.monotonic()
        said = await self._inside(scope, receive, text)
        answer = str(said["choices"][0]["message"]["content"] or "")
        seconds, tokens = time.monotonic() - began, int(said["usage"]["completion_tokens"])
        if not self.served.contract.valid(answer):
            self.figures.broken += 1
            raise Refused(500, f"the answer breaks the contract, after {counted(tokens, 'token')}", "contract_error")
        self.figures.answered(seconds, tokens)
        if path == CHAT:
            return Reply.of({**said, "model": self.served.name})
        return Reply.of({"answer": self.served.contract.read(answer), "model": self.served.name, "tokens": tokens})

    def _user(self, body: Mapping[str, Any]) -> str:
        """The user's message of OpenAI's form. The system prompt is the release's, whoever asks."""
        asked = next((name for name in _NOT_SERVED if body.get(name)), None)
        if asked:
            raise Refused(400, f"`{asked}` is not served: an answer is checked whole before it is given")
        match body.get("messages"):
            case [{"role": "user", "content": str(text)}]:
                return text
            case [{"role": "system", "content": said}, {"role": "user", "content": str(text)}]:
                if said == self.served.system:
                    return text
                raise Refused(400, "the system prompt is the release's own; leave yours out")
        raise Refused(400, "`messages` must hold one message of the user, a text")

    def _filled(self, body: Mapping[str, Any]) -> str:
        given, wanted = body.get("input"), self.served.fields
        if not isinstance(given, dict) or not wanted <= given.keys():
            raise Refused(400, f"`input` must be a mapping with {', '.join(sorted(wanted)) or 'any fields'}")
        try:
            return self.served.message(given)
        except UserError as error:
            raise Refused(400, error.diagnostics[0].message) from None

    async def _inside(self, scope: Message, receive: Receive, text: str) -> dict[str, Any]:
        """Ask the server behind the door. Of its errors none is passed on but that a text is too long."""
        status, said = await _call(self.inner, scope, receive, self._request(text))
        if status == 400:
            raise Refused(400, "the text is longer than the model reads")
        if status != 200:
            raise Refused(500, "the model could not answer", "server_error")
        return dict(said)

    def _request(self, text: str) -> bytes:
        greedy = {"temperature": 0.0, "top_p": 1.0, "min_p": 0.0, "repeat_penalty": 1.0}
        under = {"grammar": self.served.grammar} if self.served.grammar else {}
        asked = {"messages": [{"role": "user", "content": text}], "max_tokens": self.served.longest}
        return dumps({**asked, **greedy, **under}).encode()


async def _body(headers: Mapping[str, str], receive: Receive) -> Mapping[str, Any]:
    """A JSON object of sane size that arrives in time, and whose texts are texts."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "send JSON, with `Content-Type: application/json`")
    try:
        async with asyncio.timeout(READ_SECONDS):
            raw = await _read(receive)
        body = loads(raw.decode())
        dumps(body).encode()  # half a surrogate pair is no text
    except TimeoutError:
        raise Refused(408, f"the body took more than {READ_SECONDS:g} s") from None
    except (ValueError, RecursionError):
        raise Refused(400, "the body is no JSON, or not UTF-8") from None
    if not isinstance(body, dict):
        raise Refused(400, "the body must be a JSON object")
    return body


async def _read(receive: Receive) -> bytes:
    found = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "the client went away")
        found += message.get("body", b"")
        if len(found) > MOST_BYTES:
            raise Refused(413, f"the body has more than {MOST_BYTES // 1024} KiB")
        if not message.get("more_body"):
            return bytes(found)


async def _call(inner: App, scope: Message, receive: Receive, body: bytes) -> tuple[int, Any]:
    """One request to the server behind the door, made here; it hears of the client's going away through `receive`."""
    given = iter([{"type": "http.request", "body": body, "more_body": False}])
    heard: list[Message] = []

    async def ask() -> Message:
        return next(given, None) or await receive()

    async def hear(message: Message) -> None:
        heard.append(message)

    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    about = {"type": "http", "asgi": scope["asgi"], "http_version": "1.1", "scheme": "http", "query_string": b""}
    place = {"method": "POST", "path": CHAT, "raw_path": CHAT.encode(), "root_path": "", "headers": headers}
    await inner({**about, **place, "client": scope.get("client"), "server": scope.get("server")}, ask, hear)
    status = next(int(message["status"]) for message in heard if message["type"] == "http.response.start")
    said = b"".join(message.get("body", b"") for message in heard if message["type"] == "http.response.body")
    return status, json.loads(said or b"null")


def _headers(scope: Message) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _host(headers: Mapping[str, str]) -> str:
    """The name that was asked for, without its port."""
    host = headers.get("host", "")
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


def _error(status: int, message: str, kind: str) -> Reply:
    return Reply.of({"error": {"message": message, "type": kind, "param": None, "code": None}}, status)


async def _send(send: Send, reply: Reply) -> None:
    headers = [(b"content-type", reply.type.encode()), (b"content-length", str(len(reply.body)).encode())]
    headers += [(b"retry-after", b"1")] if reply.status == 503 else []
    headers += [(b"www-authenticate", b"Bearer")] if reply.status == 401 else []
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
