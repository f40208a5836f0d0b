"""What a worker runs: a process of its own, which knows DVC and nothing of tunec. See workers.py.

    python -P worker.py FD        FD: a socket; in comes [command, environment] as a line of JSON, out the exit code

DVC parses dvc.yaml, params.yaml and dvc.lock a dozen times a stage, and checks all of each against its schema: of a
sweep with 70 stages that is most of a second of a processor for each of them, while all other stages wait for the lock.
So here a text is parsed and checked once. DVC writes dvc.lock by a library in pure Python; here libyaml does, and
`tidy` at the end of a build writes it as DVC does.
"""

from __future__ import annotations

import json
import os
import queue
import re
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

_PAUSE = 0.03  # seconds between two looks whether a lock is free; DVC's own half a second is most of a short stage
_KEPT = 8  # texts that are known parsed
_known: dict[str, Any] = {}


def main() -> None:
    link = socket.socket(fileno=int(sys.argv[1]))
    asked: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def listen() -> None:
        for line in link.makefile("rb"):
            asked.put(json.loads(line))
        os._exit(143)  # whoever asks is gone

    threading.Thread(target=listen, daemon=True).start()
    try:
        _load()
        quicken()
        while True:
            command, environ = asked.get()
            os.environ.update(environ)
            code = _run(command)
            sys.stdout.flush()
            sys.stderr.flush()
            link.sendall(json.dumps(code).encode() + b"\n")
    except KeyboardInterrupt:
        os._exit(130)


def _load() -> None:
    """All that `repro` and `status` import, and impatience."""
    import dvc.cli
    import dvc.commands.repro
    import dvc.commands.status
    import dvc.dependency
    import dvc.fs
    import dvc.repo
    import dvc.stage.cache  # noqa: F401 - imported to be there
    from dvc import lock

    lock.DEFAULT_TIMEOUT = 6 * _PAUSE


def quicken() -> None:
    """Put our ways into DVC's modules."""
    from dvc import parsing
    from dvc.dependency import param
    from dvc.utils import strictyaml
    from dvc.utils.serialize import _yaml

    global _slow_parse, _slow_dump, _slow_read, _slow_validate
    _slow_validate, strictyaml.validate = strictyaml.validate, _valid
    parsing.DataResolver.__init__ = _resolver(parsing, parsing.DataResolver.__init__)
    _slow_read, param.read_param_file = param.read_param_file, _sections
    _slow_parse, _slow_dump = _yaml.parse_yaml, _yaml._dump
    _yaml.parse_yaml = strictyaml.parse_yaml = parse
    _yaml.parse_yaml_for_update = lambda text, path: parse(text, path)
    _yaml._dump = dump


def only_look(texts: dict[str, str]) -> None:
    """Let DVC take no lock, for which a build beside us would wait in vain, and read these texts, by path, in place of
    the files that stand there.
    """
    from contextlib import nullcontext
    from io import StringIO

    from dvc import lock, rwlock
    from dvc.fs import LocalFileSystem

    def open_(self: Any, path: Any, mode: str = "r", **options: Any) -> Any:
        text = texts.get(os.path.realpath(path)) if texts and mode == "r" else None
        return slow_open(self, path, mode, **options) if text is None else StringIO(text)

    lock.make_lock = lock.LockNoop
    rwlock.rwlock = lambda *given: nullcontext()
    slow_open, LocalFileSystem.open = LocalFileSystem.open, open_


_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def _sections(fs: Any, path: str, key_paths: list[str] | None = None, flatten: bool = False, **options: Any) -> Any:
    """What DVC reads of params.yaml for one stage. Its own walks through the whole file for each name, with a library
    for paths; ours are words without a separator, which can stand in one place, and only their sections are copied.
    """
    plain = key_paths and flatten and not options and all(_WORD.fullmatch(one) for one in key_paths)
    if not plain or not str(path).endswith((".yaml", ".yml")):
        return _slow_read(fs, path, key_paths, flatten, **options)
    with fs.open(path, encoding="utf-8") as file:
        whole = _parsed(file.read(), path)
    return {one: _plain(whole[one]) for one in key_paths or () if isinstance(whole, dict) and one in whole}


def _valid(data: Any, schema: Any, text: str | None = None, *place: Any, **named: Any) -> Any:
    """What DVC's schema makes of a file, once a text."""
    if text is None:
        return _slow_validate(data, schema, text, *place, **named)
    asked = id(schema), text
    if asked not in _known_valid:
        found = _slow_validate(data, schema, text, *place, **named)
        _drop_oldest(_known_valid)
        _known_valid[asked] = found
    return _plain(_known_valid[asked])


_known_valid: dict[tuple[int, str], Any] = {}  # (a schema, a text) -> its answer


def _resolver(parsing: Any, slow: Any) -> Any:
    """DVC makes an object of each value of params.yaml, in case that dvc.yaml names one in `${...}`; ours does not."""
    params = parsing.DEFAULT_PARAMS_FILE

    def __init__(self: Any, repo: Any, folder: str, given: Any) -> None:  # noqa: N807 - it takes that one's place
        parsing.DEFAULT_PARAMS_FILE = params if "${" in json.dumps(given, default=str) else ""
        slow(self, repo, folder, given)

    return __init__


_slow_validate: Any = None
_slow_read: Any = None
_slow_parse: Any = None
_slow_dump: Any = None


def _run(command: list[str]) -> int:
    import dvc.cli

    return tidy(*command[1:]) if command[0] == "tidy" else int(dvc.cli.main(command))


def tidy(*paths: str) -> int:
    """Write each dvc.lock once as DVC writes it, its stages in the order of the dvc.yaml beside it: a build leaves the
    same bytes however it went. A guard of an older compile, which stood in dvc.yaml, goes.
    """
    from pathlib import Path

    for lock in filter(Path.is_file, map(Path, paths)):
        aside = lock.with_name(f"{lock.name}.{os.getpid()}.tmp")
        found = parse(lock.read_text(encoding="utf-8"), str(lock))
        stages = list(parse(lock.with_suffix(".yaml").read_text(encoding="utf-8"), "dvc.yaml")["stages"])
        place = {name: number for number, name in enumerate(stages)}
        known = [item for item in found.get("stages", {}).items() if item[0] in place or item[0] != "guard"]
        in_order = sorted(known, key=lambda item: (place.get(item[0], len(place)), item[0]))
        with aside.open("w", encoding="utf-8") as out:
            _slow_dump({**found, "stages": dict(in_order)}, out)
        aside.replace(lock)
    return 0


def parse(text: str, path: str, typ: str = "safe") -> Any:
    """As DVC's own. Who asks may change what he gets."""
    return _plain(_parsed(text, path)) if typ == "safe" else _slow_parse(text, path, typ)


def _parsed(text: str, path: str) -> Any:
    """Not to be changed."""
    if text not in _known:
        found = _slow_parse(text, path)
        _drop_oldest(_known)
        _known[text] = found
    _known[text] = _known.pop(text)  # the newest now
    return _known[text]


def _drop_oldest(known: dict[Any, Any]) -> None:
    for oldest in list(known)[: max(0, len(known) - _KEPT + 1)]:
        del known[oldest]


def dump(data: Any, stream: Any) -> Any:
    """In one piece, so that a kill rarely finds half a file."""
    import yaml

    text = yaml.dump(_plain(data), Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=10_000)
    return stream.write(text)


def _plain(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _plain(value) for key, value in data.items()}
    return [_plain(value) for value in data] if isinstance(data, list | tuple) else data


def _words() -> Iterator[tuple[str, Any, Any]]:
    """(tag, expression, first characters) of the bare words that are no texts, in YAML 1.2."""
    from ruamel.yaml import resolver

    for versions, tag, expression, first in resolver.implicit_resolvers:
        if (1, 2) in versions:
            yield str(tag), expression, first


def _dumper() -> Any:
    """libyaml's safe dumper without anchors."""
    global _DUMPER
    if _DUMPER is None:
        import yaml

        class Dumper(yaml.CSafeDumper):
            def ignore_aliases(self, data: Any) -> bool:
                return True

        # A text such as `1e-05` or `0o7` needs quotes: YAML 1.1 has no numbers of these forms, 1.2 has.
        for tag, expression, first in _words():
            Dumper.add_implicit_resolver(tag, expression, first)
        _DUMPER = Dumper
    return _DUMPER


_DUMPER: Any = None

if __name__ == "__main__":
    main()
