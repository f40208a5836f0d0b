"""What both formats say, each with keys of its own: model, batch, schedule, shares, numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from compiler.parse import scalar
from compiler.resolve import HUB_ID
from tunec.importing import targets
from tunec.importing.draft import Draft, Value
from tunec.importing.ledger import Ledger, Reason, words
from tunec.importing.place import Place

VEILED = "the file says it by an interpolation, which is not read"
_HUGE = 1e15
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NO_NAME = words(
    "out output outputs results saves save checkpoints ckpt models model train training tmp last run config example "
    "sft dpo kto orpo grpo rl lora qlora full fft yaml axolotl llamafactory"
)

# Keys of the transformers trainer, which both projects pass through.
TRAINER = (
    Reason(
        "decided",
        """
        gradient_checkpointing* flash_attention flash_attn* xformers_attention sdp_attention flex_attention*
        eager_attention s2_attention attn_implementation bf16 fp16 tf32 bfloat16 float16 float32 fp8
        pure_bf16 torch_compile* torch_dtype low_cpu_mem_usage auto_find_batch_size group_by_length
        max_memory device device_map use_cache use_liger_kernel enable_liger_kernel liger_*
        cut_cross_entropy gpu_memory_limit include_*_per_second
        """,
        "tunec fits memory, precision and speed to the machine",
    ),
    Reason(
        "decided",
        """
        logging_* log_level save_* saves_per_epoch eval_steps eval_strategy evaluation_strategy
        evals_per_epoch do_eval eval_batch_size per_device_eval_batch_size load_best_model_at_end
        metric_for_best_model greater_is_better resume_from_checkpoint auto_resume_from_checkpoints
        overwrite_output_dir plot_loss output_dir run_name debug do_train disable_tqdm prediction_loss_only
        bf16_full_eval eval_accumulation_steps
        """,
        "tunec logs, saves and evaluates by itself, below build/",
    ),
    Reason(
        "decided",
        """
        dataloader_* dataset_processes preprocessing_* remove_unused_columns data_seed tokenized_path
        streaming dataset_prepared_path dataset_keep_in_memory overwrite_cache buffer_size
        shuffle_merged_datasets skip_prepare_dataset cache_dir
        """,
        "tunec reads and shuffles rows itself, and DVC keeps what was computed",
    ),
    Reason(
        "cannot",
        """
        deepspeed fsdp fsdp_* ddp ddp_* local_rank world_size accelerator_config tensor_parallel_size
        context_parallel_size dp_* sequence_parallel_degree ring_attn_func heads_k_stride use_ray ray_*
        resources_per_worker placement_strategy expert_parallel_size pipeline_parallel_size
        """,
        "tunec trains on one device",
    ),
    Reason(
        "cannot",
        """
        wandb_* use_wandb mlflow_* use_mlflow hf_mlflow_log_artifacts comet_* use_comet swanlab_*
        use_swanlab use_tensorboard report_to gradio_* push_to_hub hub_* push_dataset_to_hub
        hf_use_auth_token *_hub_token
        """,
        "tunec reports to no other service; `tunec report` shows a build, `tunec release` tags it",
    ),
    Reason("cannot", "trust_remote_code", "tunec runs no code that comes with a model"),
    Reason(
        "cannot",
        "max_steps warmup_steps",
        "tunec counts in epochs and shares of them: see training.epochs and training.warmup_ratio",
    ),
    Reason("cannot", "early_stopping_*", "tunec trains all epochs; set training.epochs"),
    Reason(
        "cannot",
        """
        adam_* adafactor max_grad_norm optim_args optim_target_modules lr_scheduler_kwargs cosine_*
        lr_groups embedding_lr* loraplus_* neftune_noise_alpha noisy_embedding_alpha label_smoothing_factor
        lr_quadratic_warmup lr_div_factor torchdistx_path
        """,
        "task.yaml has no key for it: AdamW with its usual settings is used",
    ),
)


def number(ledger: Ledger, *path: str | int) -> float | None:
    """The number at a path, also of a quoted one; a value that is none is told to be none."""
    value = ledger.value(*path)
    value = scalar(value.strip()) if isinstance(value, str) else value
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _HUGE:
        return value
    if value is not None:
        ledger.left("cannot", "a number was expected", *path)
    return None


def whole(ledger: Ledger, *path: str | int) -> int | None:
    found = number(ledger, *path)
    if found is not None and found != int(found):
        ledger.left("cannot", "a whole number was expected", *path)
        return None
    return None if found is None else int(found)


def text(ledger: Ledger, *path: str | int) -> str | None:
    """The text at a path; what is no text is told so."""
    value = ledger.value(*path)
    if value is not None and not isinstance(value, str):
        ledger.left("cannot", "a text was expected", *path)
    return value.strip() or None if isinstance(value, str) else None


def flag(ledger: Ledger, *path: str | int) -> bool:
    return ledger.value(*path) is True


def numbers(ledger: Ledger, draft: Draft, table: Mapping[str, str], wholes: Mapping[str, str]) -> None:
    """Keys that need no more than another name."""
    for key, target in {**table, **wholes}.items():
        value = whole(ledger, key) if key in wholes else number(ledger, key)
        if value is not None:
            draft.put(target, value)
            ledger.took(target, key)


def model(ledger: Ledger, draft: Draft, place: Place, key: str, revision_key: str) -> None:
    """The base model: a preset that holds it, a folder of the workspace, or a Hub id at a commit."""
    written, revision = text(ledger, key), text(ledger, revision_key)
    commit = revision if revision and _COMMIT.fullmatch(revision) else None
    if revision and not commit:
        ledger.left("cannot", "a branch or tag can move: pin a commit in training.base_model", revision_key)
    if written is None:
        return
    ledger.took(targets.BASE_MODEL, key)
    if inside := place.inside(written):
        draft.put(targets.BASE_MODEL, inside)
        return
    if commit:
        ledger.took(targets.BASE_MODEL, revision_key)
    if not HUB_ID.fullmatch(written) or written.startswith("."):
        name = Path(written.rstrip("/")).name or "base"
        draft.guess(targets.BASE_MODEL, f"models/{name}", "copy the model's folder there, into the workspace")
    elif preset := place.preset_of(written, commit):
        draft.put(targets.BASE_MODEL, preset, f"the preset of {written}")
    elif commit:
        draft.put(targets.BASE_MODEL, f"{written}@{commit}")
    else:
        draft.guess(targets.BASE_MODEL, written, "pin a commit, as HUB/ID@COMMIT")


def batch(ledger: Ledger, draft: Draft, device_key: str, steps_key: str, default: int, whose: str) -> None:
    """Rows a device times accumulated steps make the rows of one optimizer step."""
    rows, steps = whole(ledger, device_key), whole(ledger, steps_key)
    for key, value in ((device_key, rows), (steps_key, steps)):
        if value is not None:
            ledger.took(targets.BATCH_SIZE, key)
    if rows is None and steps is None:
        draft.default(targets.BATCH_SIZE, default, whose)
        return
    rows, steps = rows if rows is not None else default, steps if steps is not None else 1
    draft.put(targets.BATCH_SIZE, rows * steps, f"{rows} x {steps}; times the number of devices you had")


def schedule(ledger: Ledger, draft: Draft, key: str) -> None:
    """The scheduler's name, and the warm-up as a share of the steps."""
    name = text(ledger, key)
    if name in targets.SCHEDULERS:
        draft.put(targets.SCHEDULER, targets.SCHEDULERS[name])
        ledger.took(targets.SCHEDULER, key)
    elif name:
        ledger.left("cannot", f"schedulers are {', '.join(sorted(set(targets.SCHEDULERS.values())))}", key)
        near = "cosine" if "cosine" in name else "linear"
        draft.guess(targets.SCHEDULER, near, "there is no scheduler of that name, and this one is the nearest")
    ratio, steps = number(ledger, "warmup_ratio"), whole(ledger, "warmup_steps")
    if ratio is not None:
        draft.put(targets.WARMUP, ratio)
        ledger.took(targets.WARMUP, "warmup_ratio")
    elif steps == 0:
        draft.put(targets.WARMUP, 0.0)
        ledger.took(targets.WARMUP, "warmup_steps")


def dev_share(ledger: Ledger, draft: Draft, key: str) -> None:
    """The share of the rows that the training is watched with."""
    share = number(ledger, key)
    if share is None:
        return
    if 0 < share < 1 - targets.TEST_SHARE:
        for target, value in targets.shares(share).items():
            draft.put(target, value)
            ledger.took(target, key)
    elif share == 0:
        ledger.left("decided", "tunec selects on a dev split, so there always is one", key)
    else:
        ledger.left("cannot", "tunec takes a share of the rows, not a number of them: see splits", key)


def optimizer(ledger: Ledger, key: str) -> None:
    name = text(ledger, key)
    if name and "adamw" in name:
        ledger.left("decided", "AdamW, in the form that fits the machine", key)
    elif name:
        ledger.left("cannot", "tunec trains with AdamW", key)


def modules(ledger: Ledger, draft: Draft, key: str, everything: str | None = None) -> None:
    """The modules that get an adapter: a list, a comma-separated text, or the word for all of them."""
    value = ledger.value(key)
    names = value if isinstance(value, list) else str(value).split(",") if value is not None else []
    names = [str(name).strip() for name in names]
    if value is None:
        return
    if names == [everything]:
        draft.put(targets.MODULES, targets.ALL_LINEAR)
    elif all(re.fullmatch(r"[A-Za-z_][\w.]*", name, re.ASCII) for name in names):
        draft.put(targets.MODULES, ",".join(names))
    else:
        ledger.left("cannot", f"names of modules are read, or {targets.ALL_LINEAR}; no pattern", key)
        draft.guess(targets.MODULES, targets.ALL_LINEAR, "the names of the modules that the pattern means")
        return
    ledger.took(targets.MODULES, key)


def no_adapter(ledger: Ledger) -> None:
    """Keys of an adapter in a file that trains every weight."""
    for key in sorted(key for key in ledger.tree.value if key.startswith("lora_") and ledger.value(key) is not None):
        ledger.left("idle", "the file trains without an adapter", key)


def task_name(ledger: Ledger, draft: Draft, file: Path) -> None:
    """A name out of output_dir, the file or its folder, whichever says something first."""
    folder = text(ledger, "output_dir") or ""
    parts = [part for part in folder.replace("\\", "/").split("/") if slug(part)]
    while parts and _says_nothing(slug(parts[0])):
        parts = parts[1:]
    named = [slug("-".join(parts)), slug(file.stem), slug(file.resolve().parent.name)]
    name = next((name for name in named if not _says_nothing(name)), "imported-task")
    draft.guess(targets.TASK_NAME, name, "it names the artifacts")


def _says_nothing(name: str) -> bool:
    return set(name.split("-")) <= _NO_NAME | {""}


def slug(name: str) -> str:
    """Lower case letters, digits and `-`, as a task's name has them."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60].rstrip("-")


def undecided(draft: Draft) -> None:
    """What no training file says: the kind of task, and what success means."""
    for target, value in targets.TEXT_TASK.items():
        if target == targets.TASK_TYPE:
            draft.guess(target, value, "classification, extraction … bring metrics and gates of their own")
        elif target == targets.OUTPUT_TYPE:
            draft.guess(target, value, "json or label hold every answer to a schema")
        else:
            draft.values.setdefault(target, Value(value, "for free text"))
    prompt = "system" if draft.has(targets.SYSTEM_PROMPT) else "none"
    draft.put(targets.PROMPT, prompt, "no schema stood before the input")
    draft.guess(targets.THRESHOLD, 0.5, "the least value of the primary metric that may ship")
