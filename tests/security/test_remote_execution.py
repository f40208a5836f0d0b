"""Another machine: who it is, what it is told, and what of its answer is let in."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.diagnostics import UserError
from tests.executing.conftest import _server, host, place  # noqa: F401 - fixtures
from tests.executing.places import Place, Server
from tunec.executing.ssh import Host

SOUND = {"type": "remote_ssh", "host": "me@gpu", "port": 22, "key": "~/.ssh/id", "folder": "f", "python": "bin/python3"}
WORDS = [
    "-oProxyCommand=touch${IFS}canary",
    "--rsh=touch",
    "a b",
    "a;touch canary",
    "$(touch canary)",
    "`id`",
    "a\nb",
    "",
]
HOSTILE = [(key, word) for key in ("host", "key", "folder", "python") for word in WORDS] + [
    ("host", "me@-oProxyCommand=x"),
    ("host", "me@gpu:/etc"),
    ("host", "-me@gpu"),
    ("host", "gpu-"),
    ("folder", "../../etc"),
    ("folder", "a/../../b"),
    ("python", "~root/x"),
    ("port", "22 -oProxyCommand=x"),
    ("port", 0),
    ("_target_", "os.system"),
]


@pytest.mark.parametrize(("key", "value"), HOSTILE)
def test_what_could_be_an_option_or_a_second_word_is_refused_out_of_dvc_yaml_too(key: str, value: object) -> None:
    with pytest.raises(UserError) as refused:
        Host.of({**SOUND, key: value})
    assert refused.value.diagnostics[0].code == "T145"


def test_a_host_stands_behind_two_dashes_and_no_shell_reads_a_command() -> None:
    found = Host.of(SOUND)
    there, back = found.send(Path("out"), "f/incoming"), found.fetch("f/objects", Path("in"))
    for command, name in ((found.agent(), "me@gpu"), (there, "me@gpu:f/incoming/"), (back, "me@gpu:f/objects/")):
        assert command.index("--") < command.index(name)
    assert found.agent()[-1] == "exec bin/python3 -P -m tunec.executing.far"
    assert all("--secluded-args" in command for command in (there, back))
    assert "StrictHostKeyChecking=yes" in found.agent() and "BatchMode=yes" in found.agent()


# ---------------------------------------------------------------- a real sshd


def refused(place: Place, code: str) -> str:  # noqa: F811
    said = place.tunec("run", "data", code=1)
    assert f"error[{code}]" in said, said
    assert not place.written("data")
    return said


@pytest.mark.slow
def test_an_unknown_host_is_not_talked_to(place: Place, host: Server) -> None:  # noqa: F811
    host.known("")
    refused(place, "T531")
    assert not host.far.exists() and not (host.own / "known_hosts").read_text()


@pytest.mark.slow
def test_a_host_with_another_key_than_before_is_not_talked_to(place: Place, host: Server) -> None:  # noqa: F811
    host.known((host.folder / "key.pub").read_text())
    refused(place, "T531")
    assert not host.far.exists()


@pytest.mark.slow
def test_a_config_that_would_take_any_key_does_not_weaken_that(place: Place, host: Server) -> None:  # noqa: F811
    host.known("")
    with (host.own / "config").open("a") as config:
        config.write("StrictHostKeyChecking accept-new\n")
    refused(place, "T531")


# ---------------------------------------------------------------- a host that was taken over

HEAD = """\
import os
from tunec.executing import far
from tunec.executing.store import Entry
def changed(store, outputs):
    first = "build/data/accepted.jsonl"
    entry = outputs[first]
    held = store.objects / entry.sha256
{change}
    return outputs
class Hostile(far.Agent):
    def run(self, store, inputs, asked, place):
        place.mkdir(parents=True)
        for path in asked["outputs"]:
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(path)
        return changed(store, self.keep(store, place, asked["outputs"]))
far.Agent = Hostile
far.main()
"""
ANSWERS = {
    "a path above the workspace": 'outputs["../evil"] = entry',
    "a path above the stage": 'outputs["build/data/accepted.jsonl/../../splits/train.jsonl"] = entry',
    "an absolute path": 'outputs["/tmp/tunec-evil"] = entry',
    "the task": 'outputs["task.yaml"] = entry',
    "another stage's output": 'outputs["build/gate/verdict.json"] = entry',
    "a name that only begins alike": 'outputs["build/data/accepted.jsonl.evil"] = entry',
    "a path with a hole": 'outputs["build/data/accepted.jsonl//x"] = entry',
    "a hash that is a path": 'outputs[first] = Entry("../" * 8 + "etc/passwd", entry.size)',
    "a negative size": "outputs[first] = Entry(entry.sha256, -1)",
    "too little": "del outputs[first]",
    "other bytes": 'held.chmod(0o644); held.write_bytes(b"x" * entry.size)',
    "fewer bytes": 'held.chmod(0o644); held.write_bytes(b"x")',
    "a link": 'held.unlink(); held.symlink_to("/etc/hostname")',
    "a link to the same bytes": 'other = store.folder / "other"; held.rename(other); held.symlink_to(other)',
    "a folder": "held.unlink(); held.mkdir()",
    "a pipe": "held.unlink(); os.mkfifo(held)",
}


OFTEN = {
    *("a path above the workspace", "an absolute path", "a hash that is a path", "other bytes", "a link", "a pipe"),
    *("no JSON", "a line without end", "a list that is none", "escapes"),
}


def cases(table: dict[str, str]) -> list[Any]:
    return [
        pytest.param(text, id=name, marks=() if name in OFTEN else pytest.mark.thorough) for name, text in table.items()
    ]


def tree(root: Path) -> Iterator[tuple[str, bytes]]:
    """What a workspace holds; logs and what is aside do not count."""
    for file in sorted(root.rglob("*")):
        relative = file.relative_to(root)
        if file.is_file() and relative.parts[:2] not in (("build", "logs"), ("build", ".tmp")):
            yield relative.as_posix(), file.read_bytes()


def hostile(host: Server, script: str) -> dict[str, Any]:  # noqa: F811
    file = host.own / "hostile.py"
    file.write_text(script, encoding="utf-8")
    import sys

    return host.execution(python=str(host.python("hostile", command=f"exec {sys.executable} -P {file}")))


@pytest.mark.slow
@pytest.mark.parametrize("change", cases(ANSWERS))
def test_an_answer_that_is_not_what_the_stage_writes_is_not_let_in(
    place: Place,  # noqa: F811
    host: Server,  # noqa: F811
    change: str,
) -> None:
    place.execute(hostile(host, HEAD.format(change=f"    {change}")))
    before = dict(tree(place.root))
    said = refused(place, "T537")
    assert dict(tree(place.root)) == before
    assert not Path("/tmp/tunec-evil").exists() and not (place.root.parent / "evil").exists()  # noqa: S108
    assert "root:" not in said


HELLO = 'print(\'{"tunec": "0.1.0", "protocol": 1, "rsync": true}\', flush=True)\n'
SPEECHES = {
    "no JSON": "print('{\"tunec\": 1'); print('x' * 100)",
    "a line without end": "import sys\nwhile True: sys.stdout.write('x' * 65536)",
    "no answer to what it is asked": HELLO + "import time; print('[]', flush=True); time.sleep(60)",
    "a list that is none": HELLO + "import time; print('{\"missing\": 5}', flush=True); time.sleep(60)",
    "more space than a number": HELLO
    + 'import time; print(\'{"missing": {}, "free": []}\', flush=True); time.sleep(60)',
    "a result before there was a run": HELLO + "import time; print('{\"ended\": 0}', flush=True); time.sleep(60)",
    "progress that is none": HELLO
    + 'import time; print(\'{"missing": {}, "free": 1}\\n{"progress": 5}\', flush=True); time.sleep(60)',
    "escapes": "import json; print(json.dumps({'tunec': '\\x1b]0;evil\\x07', 'protocol': 1, 'rsync': True}))",
    "another kind of value": "import json; print(json.dumps({'tunec': [1], 'protocol': {}, 'rsync': 0}))",
}


@pytest.mark.slow
@pytest.mark.parametrize("speech", cases(SPEECHES))
def test_an_agent_that_talks_nonsense_is_refused_in_plain_words(
    place: Place,  # noqa: F811
    host: Server,  # noqa: F811
    speech: str,
) -> None:
    place.execute(hostile(host, speech))
    said = place.tunec("run", "data", code=1)
    assert "error[T53" in said and "\x1b" not in said
    assert not place.written("data")


@pytest.mark.slow
def test_a_refusal_from_there_cannot_steer_the_terminal(place: Place, host: Server) -> None:  # noqa: F811
    script = (
        "import os\nfrom tunec.executing import far\nclass Run:\n    def __init__(self, *given): pass\n"
        "    def follow(self, say, wait):\n        say(said=['\\x1b[2Jgone'], )\n"
        "        say(refused=[{'code': 'T301', 'message': '\\x1b[31mred', 'span': None, 'notes': [], 'help': None}])\n"
        "        return 1\nfar.Run = Run\nfar.main()\n"
    )
    place.execute(hostile(host, script))
    with place.start("run", "data") as process:
        out, error = process.communicate(timeout=60)
    assert "error[T301]" in error and "\x1b" not in out + error


@pytest.mark.slow
def test_no_secret_of_this_environment_goes_there(place: Place, host: Server) -> None:  # noqa: F811
    shown = host.own / "environ"
    place.execute(host.execution(python=str(host.python("shows", first=f"env > {shown}"))))
    Place(place.root, {**place.environ, "HF_TOKEN": "hf_planted"}).tunec("run", "data")
    assert "hf_planted" not in shown.read_text()
    found = subprocess.run(["grep", "-r", "hf_planted", str(host.far)], capture_output=True, check=False)
    assert found.returncode == 1
