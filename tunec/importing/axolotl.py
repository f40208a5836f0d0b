"""A training file of axolotl. Its keys: docs.axolotl.ai, config reference."""

from __future__ import annotations

from tunec.importing import shared, targets
from tunec.importing.axolotl_rows import datasets, only_text
from tunec.importing.draft import Draft
from tunec.importing.ledger import Ledger, Reason, words
from tunec.importing.place import Place
from tunec.importing.rows import CHAT, DOWNLOAD

NAME = "axolotl"
MARKS = words(
    "base_model datasets pretraining_dataset sequence_len micro_batch_size num_epochs adapter lora_r val_set_size "
    "sample_packing load_in_4bit load_in_8bit lora_target_linear rl"
)
TRAINS = words("base_model datasets pretraining_dataset")

_NUMBERS = {
    "learning_rate": targets.LEARNING_RATE,
    "num_epochs": targets.EPOCHS,
    "weight_decay": targets.WEIGHT_DECAY,
}
_WHOLES = {
    "sequence_len": targets.MAX_LENGTH,
    "seed": targets.SEED,
    "eval_max_new_tokens": targets.MAX_NEW_TOKENS,
}
_LORA = {"lora_r": targets.RANK, "lora_alpha": targets.ALPHA}
_DEFAULTS = {targets.EPOCHS: 1, targets.WEIGHT_DECAY: 0.0, targets.SCHEDULER: "cosine", targets.MAX_LENGTH: 512}
_METHODS = frozenset({"dpo", "orpo", "kto", "grpo"})

REASONS = (
    *shared.TRAINER,
    Reason(
        "decided",
        """
        sample_packing* eval_sample_packing pad_to_sequence_len batch_flattening multipack_*
        pretrain_multipack_* pretraining_sample_concatenation flash_optimum unsloth_* lora_*_kernel
        use_kernels use_onebitllms use_scattermoe use_sonicmoe chunked_cross_entropy
        experimental_skip_move_to_device embeddings_skip_upcast gc_steps flex_attn_* tiled_mlp
        max_packed_sequence_len llama4_linearized_experts profiler_steps
        """,
        "tunec sorts rows by length and runs a shared prompt once, instead of packing",
    ),
    Reason(
        "decided",
        """
        model_type tokenizer_type tokenizer_* base_model_config is_*_derived_model model_config
        base_model_ignore_patterns cls_model_config special_tokens special_tokens.* eot_tokens chat_template
        chat_template_jinja datasets.chat_template* resize_token_* test_datasets.chat_template*
        lora_fan_in_fan_out
        """,
        "tunec takes architecture, tokenizer and chat template from the base model's own files",
    ),
    Reason(
        "decided",
        "strict loss_watchdog_* lora_on_cpu merge_lora merge_method",
        "tunec checks, watches and merges by itself",
    ),
    Reason("decided", "load_in_8bit", "training.adapter says it: qlora is 4 bits, lora the model's own precision"),
    Reason("decided", "dataset_exact_deduplication", "tunec always drops exact duplicates"),
    Reason(
        "cannot",
        """
        tokens added_tokens_overrides fix_untrained_tokens lora_modules_to_save mean_resizing_embeddings
        shrink_embeddings
        """,
        "tunec adds no tokens to a base model, and trains adapters alone",
    ),
    Reason(
        "cannot",
        """
        lora_model_dir peft_* peft unfrozen_parameters lora_target_parameters relora* lisa_* spectrum_*
        bnb_config_kwargs qlora_sharded_model_loading gptq* loftq_* qat quantization overrides_of_model_*
        model_quantization_config* llmcompressor rope_scaling random_init_weights
        """,
        "task.yaml has no key for this way to train or change a model; quantization.formats shrinks it after training",
    ),
    Reason(
        "cannot",
        """
        rl_beta orpo_alpha rpo_alpha simpo_gamma cpo_alpha kto_* dpo_* trl trl.* vllm vllm.* ebft
        reward_model process_reward_model num_labels max_prompt_len
        """,
        "task.yaml has no key for it yet: the method's own setting is used",
    ),
    Reason(
        "cannot",
        "processor_type image_size image_resize_algorithm freeze_mm_modules",
        "tunec trains on text alone: images, audio and video are not read",
    ),
    Reason("cannot", "train_on_inputs", "the loss stands on the answers alone"),
    Reason("cannot", "excess_length_strategy", "a row that is longer than training.max_length stops the build"),
    Reason("cannot", "plugins", "tunec loads no code of another project"),
    Reason(
        "cannot",
        "eval_table_size eval_causal_lm_metrics do_causal_lm_eval do_bench_eval bench_*",
        "see evaluation.metrics",
    ),
    Reason(
        "cannot",
        "use_pose pose_* curriculum_sampling min_sample_len dataset_shard_* diffusion",
        "task.yaml has no key for it: every row that fits is read, in an order that the seed gives",
    ),
    Reason("cannot", "*datasets.type *datasets.type.*", "we do not know this kind of rows: see data.sources, map"),
    Reason(
        "cannot",
        """
        *datasets.field_* *datasets.message_* *datasets.roles* *datasets.conversation *datasets.train_on_eo*
        *datasets.drop_system_message *datasets.split_thinking *datasets.template_thinking_key
        *datasets.input_transform
        """,
        CHAT,
    ),
    Reason("cannot", "*datasets.name *datasets.split *datasets.revision", DOWNLOAD),
    Reason("cannot", "*datasets.shards* *datasets.preprocess_shards", "every row of a source is read"),
    Reason(
        "cannot",
        "*dataset.name *dataset.split *dataset.skip *dataset.type",
        DOWNLOAD,
    ),
)


def translate(ledger: Ledger, draft: Draft, place: Place) -> None:
    """Tell every key of the file, and put what tunec has a key for into the draft."""
    shared.model(ledger, draft, place, "base_model", "revision_of_model")
    _method(ledger, draft)
    _adapter(ledger, draft)
    shared.numbers(ledger, draft, _NUMBERS, _WHOLES)
    shared.batch(ledger, draft, "micro_batch_size", "gradient_accumulation_steps", 1, NAME)
    if (rows := shared.whole(ledger, "batch_size")) is not None:  # the whole of it, where it is said
        draft.put(targets.BATCH_SIZE, rows)
        ledger.took(targets.BATCH_SIZE, "batch_size")
    shared.schedule(ledger, draft, "lr_scheduler")
    shared.optimizer(ledger, "optimizer")
    shared.dev_share(ledger, draft, "val_set_size")
    for target, value in _DEFAULTS.items():
        draft.default(target, value, NAME)
    if prompt := shared.text(ledger, "default_system_message"):
        draft.put(targets.SYSTEM_PROMPT, prompt)
        ledger.took(targets.SYSTEM_PROMPT, "default_system_message")
    datasets(ledger, draft, place)
    ledger.settle(REASONS)


def _method(ledger: Ledger, draft: Draft) -> None:
    """`rl` names the method; without it, plain text is continued pretraining, and rows are supervised."""
    named = shared.text(ledger, "rl")
    if ledger.veiled("rl"):
        draft.guess(targets.METHOD, "sft", shared.VEILED)
        return
    if named is None:
        draft.put(targets.METHOD, "cpt" if only_text(ledger) else "sft")
        return
    draft.put(targets.METHOD, named)
    if named in _METHODS:
        ledger.took(targets.METHOD, "rl")
    else:
        ledger.left("cannot", f"methods are sft, {', '.join(sorted(_METHODS))} and cpt", "rl")


def _adapter(ledger: Ledger, draft: Draft) -> None:
    """adapter: lora | qlora | nothing, which trains every weight. A lora over 4 bits is a qlora."""
    adapter, small = shared.text(ledger, "adapter"), shared.flag(ledger, "load_in_4bit")
    named = "qlora" if adapter == "lora" and small else adapter or "full"
    if ledger.veiled("adapter"):
        named = "qlora" if small else "lora"
        draft.guess(targets.ADAPTER, named, shared.VEILED)
    else:
        draft.put(targets.ADAPTER, named)
    if adapter in ("lora", "qlora"):
        ledger.took(targets.ADAPTER, "adapter")
    elif adapter:
        ledger.left("cannot", "adapters are lora, qlora and full", "adapter")
    if small:
        ledger.took(targets.ADAPTER, "load_in_4bit")
    elif ledger.node("load_in_4bit"):
        ledger.left("decided", "training.adapter says it", "load_in_4bit")
    _lora(ledger, draft) if named != "full" else shared.no_adapter(ledger)


def _lora(ledger: Ledger, draft: Draft) -> None:
    shared.numbers(ledger, draft, {"lora_dropout": targets.DROPOUT}, _LORA)
    draft.default(targets.DROPOUT, 0.0, NAME)
    shared.modules(ledger, draft, "lora_target_modules")
    if shared.flag(ledger, "lora_target_linear"):
        draft.put(targets.MODULES, targets.ALL_LINEAR)
        ledger.took(targets.MODULES, "lora_target_linear")
