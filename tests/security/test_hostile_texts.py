"""Texts that are made to cost: as a task, as a preset of the workspace, as an override.

Each is refused within a second of computing and 200 MB, in a process of its own that reads both off itself at its end.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compiling import MINIMAL, ROOT, ROWS

ROW = '{"text": "a", "output": {"people": "2", "time": "7"}}\n'
# The peak is the process's own (VmHWM): what getrusage tells of a child begins with its parent's.
CHILD = """
import re, sys, time
import compiler, stages.wording, tunec.checking
from tunec.start import main
began = time.process_time()
try:
    main()
except SystemExit as end:
    seconds = time.process_time() - began
    peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1000
    print(f"\\n@ {end.code} {seconds:.3f} {peak:.1f}", file=sys.stderr)
"""
BOMB = "a0: &a0 [lol]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
TWICE = "{{allOf: [{{$ref: '#/$defs/a{0}'}}, {{$ref: '#/$defs/a{0}'}}]}}"
MULTIPLYING = "".join(f"a{n}: {TWICE.format(n + 1)}, " for n in range(40))
HEAD = MINIMAL.replace(MINIMAL[MINIMAL.index("output_format") : MINIMAL.index("training")], "")

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")

SHAPES = {  # a text of any YAML file
    "alias bomb": BOMB,
    "merge bomb": "a: &a {b: 1}\n" + "c: {<<: *a}\n" * 10_000,
    "unsafe tags": "a: !!python/object/apply:os.system [touch canary]\n" * 10_000,
    "1,000 levels in brackets": "a: " + "[" * 1_000 + "]" * 1_000,
    "1,000 levels of blocks": "".join(" " * n + "a:\n" for n in range(1_000)),
    "100,000 brackets": "[" * 100_000,
    "100,000 braces": "{" * 100_000,
    "50,000 dashes": "- " * 50_000,
    "50,000 question marks": "? " * 50_000,
    "100,000 tags": "!!x " * 100_000,
    "500,001 quotes": "'" * 500_001,
    "a block of 300,000 lines": "a: |\n" + " x\n" * 300_000,
    "100,000 anchors": "&a " * 100_000,
    "100,000 interpolations": "a:\n" + "- ${oc.env:HOME}\n" * 30_000,
    "100,000 documents": "---\n" * 100_000,
    "a key 100,000 times": "a: 1\n" * 100_000,
    "490,000 values": "[" + "1," * 490_000 + "]",
    "300,000 floats": "a: [" + "1.5e-5," * 130_000 + "]",
    "10 MB of comments": "# a comment\n" * 900_000,
    "10 MB in one line": "a: " + "x" * 10_000_000,
    "10 MB of values": "- 1\n" * 2_500_000,
    "control characters": "a: \x07\n" * 10_000,
    "tabs": "\ta: 1\n" * 10_000,
    "a byte order mark within": "a: 1\n\ufeffb: ${x}\n",
}
TASKS = {  # what costs only where a task says it
    "9,900 unknown keys": MINIMAL + "".join(f"k{n}: 1\n" for n in range(9_900)),
    "19,000 quantizations": MINIMAL + f"quantization: {{formats: [{'q8_0,' * 19_000}]}}\n",
    "9,900 gates": MINIMAL.replace(
        "  threshold: 0.7", "  threshold: 0.7\n  gates: {" + "".join(f"g{n}: 1," for n in range(9_000)) + "}"
    ),
    "4,000 sources": MINIMAL + f"data: {{sources: [{'{path: data/raw/*},' * 4_000}]}}\n",
    "open folders": MINIMAL + f"data: {{sources: [{{path: {'*/' * 80}x}}]}}\n",
    "a schema that multiplies": HEAD
    + f"output_format: {{type: json, schema: {{$ref: '#/$defs/a0', $defs: {{{MULTIPLYING}a40: {{}}}}}}}}\n",
    "10,000 odd names": HEAD
    + f"output_format: {{type: json, schema: {{type: object, required: [{'a, 1, {}, ' * 4_000}]}}}}\n",
    "a template of tags": MINIMAL.replace("{text}", "{{ text }}" * 80_000),
    "a template of brackets": MINIMAL.replace("{text}", "{{ " + "(" * 100_000),
    "a pattern of groups": MINIMAL + f"baselines: {{rule: {{people: '{'(' * 400_000}'}}}}\n",
    "a long wrong name": MINIMAL.replace("extraction", "x" * 900_000),
}
OVERRIDES = {  # one argument of a process holds 128 kB
    "an alias bomb": f"baselines={BOMB[:100_000]}",
    "a deep key": "a." * 50_000 + "a=1",
    "a deep value": f"goal={'[' * 100_000}",
    "a tag": "goal=!!python/object/apply:os.system [touch canary]",
    "an interpolation": "goal=${oc.env:HOME}",
    "an object": "baselines.rule._target_=os.system",
    "an object inside": "baselines.rule={_target_: os.system}",
    "many values": f"quantization.formats=[{'a,' * 60_000}]",
    "a key twice": "baselines={a: 1, a: 2}",
    "a word for true": "splits.stratify=yes",
    "a time": "training.epochs=3:30",
    "a tab": "baselines={\n\ta: 1}",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / ROWS).write_text(ROW, encoding="utf-8")
    (tmp_path / "task.yaml").write_text(MINIMAL, encoding="utf-8")
    return tmp_path


def refused(folder: Path, *arguments: str) -> str:
    """What `tunec ARGUMENTS` says; it must end with 1, in time, in little memory, and leave nothing behind."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments], cwd=folder, env=env, capture_output=True, check=False, timeout=60
    )
    said = (done.stdout + done.stderr).decode()
    code, seconds, peak = said.rpartition("\n@ ")[2].split()
    assert code == "1", said[-2_000:]
    assert float(seconds) < 1 and float(peak) < 200, f"{seconds} s, {peak} MB"
    assert "error[T" in said and "T999" not in said and len(said) < 200_000
    assert {path.name for path in folder.iterdir()} <= {"task.yaml", "data", "conf"}
    return said


@pytest.mark.parametrize("text", [*SHAPES.values(), *TASKS.values()], ids=[*SHAPES, *TASKS])
def test_a_costly_task_is_refused_at_once(text: str, folder: Path) -> None:
    (folder / "task.yaml").write_text(text, encoding="utf-8")
    refused(folder, "check")


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES)
def test_a_costly_preset_of_the_workspace_is_refused_at_once(text: str, folder: Path) -> None:
    preset = folder / "conf" / "base_model" / "smollm2-135m.yaml"
    preset.parent.mkdir(parents=True)
    preset.write_text(text, encoding="utf-8")
    assert "conf/base_model/smollm2-135m.yaml" in refused(folder, "check")


@pytest.mark.parametrize("override", OVERRIDES.values(), ids=OVERRIDES)
def test_a_costly_override_is_refused_at_once(override: str, folder: Path) -> None:
    assert "<command line>" in refused(folder, "compile", override)


def test_more_overrides_than_anyone_writes_are_refused(folder: Path) -> None:
    assert "T201" in refused(folder, "compile", *(f"k{n}=1" for n in range(5_000)))


# ---------------------------------------------------------------- what stands in the place of a file


DEVICES = [path for path in ("/dev/zero", "/dev/null", "/dev/stdin") if Path(path).exists()]


@pytest.mark.parametrize("path", DEVICES)
def test_a_device_is_no_task(path: str, folder: Path) -> None:
    assert "T001" in refused(folder, "check", path)


def test_a_pipe_is_no_task(folder: Path) -> None:
    (folder / "task.yaml").unlink()
    os.mkfifo(folder / "task.yaml")
    assert "no plain file" in refused(folder, "check")


def test_a_preset_that_is_linked_out_of_the_workspace_is_not_read(folder: Path) -> None:
    (folder.parent / "secret.yaml").write_text("password: hunter2\n", encoding="utf-8")
    (folder / "conf").mkdir()
    (folder / "conf" / "defaults.yaml").symlink_to("../../secret.yaml")
    said = refused(folder, "check")
    assert "T102" in said and "hunter2" not in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_preset_that_cannot_be_read_is_told(folder: Path) -> None:
    (folder / "conf").mkdir()
    (folder / "conf" / "defaults.yaml").write_text("", encoding="utf-8")
    (folder / "conf" / "defaults.yaml").chmod(0)
    assert "T001" in refused(folder, "check")


@pytest.mark.parametrize("text", ["", "# nothing\n", "~\n", "[]\n", "text\n"])
def test_a_preset_that_says_nothing_is_told(text: str, folder: Path) -> None:
    (folder / "conf").mkdir()
    (folder / "conf" / "defaults.yaml").write_text(text, encoding="utf-8")
    assert "a preset is a mapping" in refused(folder, "check")


def test_links_in_a_circle_keep_no_pattern_busy(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / "data" / name).symlink_to("..")
    (folder / "task.yaml").write_text(f"{MINIMAL}data: {{sources: [{{path: {'data/*/' * 20}x}}]}}\n", encoding="utf-8")
    assert "T102" in refused(folder, "check")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16"])
def test_a_terminal_of_another_encoding_shows_what_it_can(encoding: str, folder: Path) -> None:
    (folder / "task.yaml").write_text(MINIMAL.replace("0.7", "訂位"), encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-m", "tunec", "check"], cwd=folder, env=env, capture_output=True, check=False
    )
    assert done.returncode == 1 and "T013" in done.stdout.decode(encoding)


def test_a_name_that_is_no_text_can_be_shown(folder: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable.encode(), b"-m", b"tunec", b"check", b"\xff.yaml"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, check=False)
    assert done.returncode == 1 and re.search(rb"error\[T001\]: there is no", done.stdout)
