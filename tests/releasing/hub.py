"""A stand-in for the Hugging Face Hub: the calls of its API that a push makes, answered in memory on this machine.

What it answers is what huggingface_hub reads; its source is huggingface_hub's own client and hf.co/docs/hub/api.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlparse

TOKEN = "hf_of_a_test"


@dataclass
class Hub:
    """What it holds, and what it was asked. broken: path -> the status that it refuses with."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    broken: dict[str, tuple[int, str]] = field(default_factory=dict)


@contextmanager
def running() -> Iterator[Hub]:
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *given: Answer(hub, *given))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub: Hub, *given: Any) -> None:
        self.hub = hub
        super().__init__(*given)

    def log_message(self, *given: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def _answer(self, method: str) -> None:
        path = unquote(urlparse(self.path).path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.hub.asked.append(f"{method} {path}")
        broken = next((why for part, why in self.hub.broken.items() if part in path), None)
        if broken:
            return self._say(broken[0], {"error": broken[1]})
        if "/store/" not in path and self.headers.get("authorization") != f"Bearer {TOKEN}":
            return self._say(401, {"error": "Invalid credentials in Authorization header"})
        for pattern, answer in _ROUTES.items():
            if found := re.fullmatch(pattern, f"{method} {path}"):
                said = answer(self.hub, body, *found.groups())
                return self._say(400 if isinstance(said, dict) and said.get("errors") else 200, said)
        return self._say(404, {"error": f"no {method} {path}"})

    def _say(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if "error" in value:
            self.send_header("x-error-message", str(value["error"]))
        self.end_headers()
        self.wfile.write(body)


def _create(hub: Hub, body: bytes) -> Any:
    asked = json.loads(body)
    return {"url": f"{hub.address}/{asked.get('organization') or 'somebody'}/{asked['name']}"}


def _card(hub: Hub, body: bytes) -> Any:
    """What the Hub says of a card's metadata: that it is a mapping, and that its licence is a word."""
    import yaml

    text = json.loads(body)["content"]
    data = yaml.safe_load(text.split("---")[1]) if text.startswith("---") else None
    fine = isinstance(data, dict) and re.fullmatch(r"[a-z0-9.-]+", str(data.get("license")))
    return {"errors": [] if fine else [{"message": '"license" must be one of a list'}], "warnings": []}


def _before(hub: Hub, body: bytes, repo: str) -> Any:
    """GGUF files are large ones, whatever their size."""
    mode = {True: "lfs", False: "regular"}
    asked = json.loads(body)["files"]
    held = [{"path": f["path"], "uploadMode": mode[f["path"].endswith(".gguf")]} for f in asked]
    return {"files": [{**file, "shouldIgnore": False, "oid": None} for file in held]}


def _batch(hub: Hub, body: bytes, repo: str) -> Any:
    asked = json.loads(body)["objects"]
    place = {o["oid"]: {"upload": {"href": f"{hub.address}/store/{o['oid']}"}} for o in asked}
    return {"transfer": "basic", "objects": [{**o, "actions": place[o["oid"]]} for o in asked]}


def _store(hub: Hub, body: bytes, oid: str) -> Any:
    assert hashlib.sha256(body).hexdigest() == oid
    hub.objects[oid] = body
    return {}


def _commit(hub: Hub, body: bytes, repo: str) -> Any:
    for line in map(json.loads, body.splitlines()):
        value = line["value"]
        match line["key"]:
            case "file":
                hub.files[value["path"]] = base64.b64decode(value["content"])
            case "lfsFile":
                hub.files[value["path"]] = hub.objects[value["oid"]]
            case "deletedFile":
                del hub.files[value["path"]]
            case "header":
                hub.commits.append(value["summary"])
    oid = hashlib.sha1(body, usedforsecurity=False).hexdigest()
    return {"commitOid": oid, "commitUrl": f"{hub.address}/{repo}/commit/{oid}"}


def _tree(hub: Hub, body: bytes, repo: str) -> Any:
    return [{"type": "file", "path": name, "size": len(held), "oid": "0" * 40} for name, held in hub.files.items()]


def _refs(hub: Hub, body: bytes, repo: str) -> Any:
    tags = [{"name": n, "ref": f"refs/tags/{n}", "targetCommit": c} for n, c in hub.tags.items()]
    return {"branches": [], "converts": [], "tags": tags}


def _tag(hub: Hub, body: bytes, repo: str, revision: str) -> Any:
    hub.tags[json.loads(body)["tag"]] = revision
    return {}


_REPO = r"([\w.-]+/[\w.-]+)"
_ROUTES = {
    "GET /api/whoami-v2": lambda hub, body: {"name": "somebody", "type": "user"},
    "POST /api/repos/create": _create,
    "POST /api/validate-yaml": _card,
    f"POST /api/models/{_REPO}/preupload/main": _before,
    f"POST /{_REPO}.git/info/lfs/objects/batch": _batch,
    r"PUT /store/([0-9a-f]{64})": _store,
    f"POST /api/models/{_REPO}/commit/main": _commit,
    f"GET /api/models/{_REPO}/tree/main": _tree,
    f"GET /api/models/{_REPO}/refs": _refs,
    f"POST /api/models/{_REPO}/tag/([0-9a-f]+)": _tag,
}
