"""`tunec` as DVC calls it in these tests: the real guard, the real `data`, `splits` and `model`, and a stand-in for the
rest.

A stand-in writes, for each output of a stage, bytes that follow from what the stage was given and from nothing else:
its name, its parameters, and the bytes of its inputs, by the names that dvc.yaml's `meta` gives them. So the bytes
differ wherever the real ones could, and which stages an edit must run can be said exactly. `select` copies, as the real
one does: another reason for the same choice is the same choice.

It starts in some hundredths of a second (a build has fifteen of them), so nothing of tunec is imported for a stand-in.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

RAN = Path("build", "logs", "ran.txt")  # the name of each stage that ran, a line each
TOLD = Path("told.json")  # what a test wants of stages: {"slow": {the beginning of a name: seconds}, "fail": [name]}
REAL = ("data", "splits", "model")  # a model of a package would be unpacked, which needs torch


def main() -> None:
    command, *rest = sys.argv[1:]
    if command == "run":
        sys.exit(_run(rest[0]))
    _stay_in_this_house()
    from tunec.start import main

    main()


def _stay_in_this_house() -> None:
    """A build looks for `tunec` beside its Python first, which in these tests is not the one that is meant."""
    from tunec import dvc

    outside = dvc.environment
    dvc.environment = lambda: {**outside(), "PATH": os.environ["PATH"]}


def _run(name: str) -> int:
    meta, params = _asked(name)
    RAN.parent.mkdir(parents=True, exist_ok=True)
    with RAN.open("a", encoding="utf-8") as ran:
        ran.write(f"{name}\n")
    told = json.loads(TOLD.read_text(encoding="utf-8")) if TOLD.is_file() else {}
    time.sleep(max((seconds for start, seconds in told.get("slow", {}).items() if name.startswith(start)), default=0))
    if name in told.get("fail", ()):
        print(f"{name} is made to fail", file=sys.stderr)
        return 1
    if meta["meta"]["stage"] in REAL and params.get("model", {}).get("source") != "package":
        from stages import runner

        return runner.main(name)
    given = {"name": name, "params": params, "inputs": {f: _content(i) for f, i in meta["meta"]["inputs"].items()}}
    for path in _outputs(meta):
        _write(path, {**given, "output": path.name})
    if meta["meta"]["stage"] == "select":
        _choose(Path("build", name), meta["meta"]["inputs"], params)
    if meta["meta"]["stage"] == "predict":
        _json(Path("build", name, "speed.json"), {"rows_per_second": 1.0 + len(name)})
        _answer(Path("build", name, "predictions.jsonl"), meta["meta"]["inputs"]["rows"])
    return 0


def _asked(name: str) -> tuple[dict[str, Any], Any]:
    """What dvc.yaml and params.yaml say of an instance: the one as it stands, the other's section."""
    return _yaml("dvc.yaml")["stages"][name], (_yaml("params.yaml") or {}).get(name)


def _yaml(file: str) -> Any:
    import yaml

    return yaml.load(Path(file).read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506


def _outputs(stage: dict[str, Any]) -> list[Path]:
    entries = [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]
    return [Path(next(iter(entry)) if isinstance(entry, dict) else entry) for entry in entries]


def _content(given: Any) -> Any:
    """The bytes behind an input, as a hash: of one path, of several, or by label."""
    if isinstance(given, dict):
        return {label: _content(path) for label, path in given.items()}
    if isinstance(given, list):
        return [_content(path) for path in given]
    path = Path(given)
    if path.is_dir():
        return {file.relative_to(path).as_posix(): _content(file) for file in sorted(path.rglob("*")) if file.is_file()}
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write(path: Path, given: Any) -> None:
    """A folder where the real output is one; JSON for DVC's own `metrics` and `plots`."""
    said = {"made_of": hashlib.sha256(json.dumps(given).encode()).hexdigest()}
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.suffix and path.name != "Modelfile":
        path.mkdir()
        path /= "content.json"
    path.write_text(json.dumps(said) + "\n", encoding="utf-8")


def _json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _answer(out: Path, rows: str) -> None:
    """Answers that can be scored; what they are, and how many are right, follows from what was written there before."""
    seed = out.read_text(encoding="utf-8").strip()
    answers = []
    for line in Path(rows).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        right = hashlib.sha256((seed + row["id"]).encode()).digest()[0] % 3
        text = json.dumps(row["output"] if right else {"people": "nobody"})
        answers.append({"id": row["id"], "text": text, "free": seed, "tokens": 1, "finish": "stop"})
    out.write_text("".join(json.dumps(answer) + "\n" for answer in answers), encoding="utf-8")


def _figure(path: str) -> dict[str, float]:
    """A quality that follows from the bytes of the predictions."""
    value = int(hashlib.sha256(Path(path).read_bytes()).hexdigest()[:4], 16) / 0xFFFF
    return {"value": value, "low": value - 0.05, "high": value + 0.05, "bound": value - 0.04}


def _choose(home: Path, inputs: dict[str, Any], params: Any) -> None:
    """The last quantization by name, whatever the figures."""
    metric = params["yardstick"]["primary"]
    systems = {label: {metric: _figure(path)} for label, path in inputs["predictions"].items()}
    _json(home / "scores.json", {"rows": 1, "systems": systems})
    label = max(inputs["quantized"])
    variant = max(inputs["f16"])
    (home / "choice.json").write_text(json.dumps({"chosen": label, "variant": variant}) + "\n", encoding="utf-8")
    shutil.copyfile(inputs["quantized"][label], home / "model.gguf")
    shutil.copyfile(inputs["f16"][variant], home / "f16.gguf")
    shutil.rmtree(home / "adapter")
    shutil.copytree(inputs["adapters"][variant], home / "adapter")
