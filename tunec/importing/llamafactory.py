"""A training file of LLaMA-Factory, and the dataset_info.json beside it."""

from __future__ import annotations

from tunec.importing import shared, targets
from tunec.importing.draft import Draft
from tunec.importing.ledger import Ledger, Reason, words
from tunec.importing.llamafactory_rows import datasets
from tunec.importing.place import Place
from tunec.importing.rows import DOWNLOAD

NAME = "llamafactory"
MARKS = words(
    "model_name_or_path stage finetuning_type template dataset dataset_dir cutoff_len lora_rank lora_target val_size "
    "per_device_train_batch_size num_train_epochs lr_scheduler_type quantization_bit do_train"
)
TRAINS = words("stage finetuning_type dataset")

_NUMBERS = {
    "learning_rate": targets.LEARNING_RATE,
    "num_train_epochs": targets.EPOCHS,
    "weight_decay": targets.WEIGHT_DECAY,
}
_WHOLES = {
    "cutoff_len": targets.MAX_LENGTH,
    "seed": targets.SEED,
    "max_new_tokens": targets.MAX_NEW_TOKENS,
}
_LORA = {"lora_rank": targets.RANK, "lora_alpha": targets.ALPHA}
_DEFAULTS = {
    targets.LEARNING_RATE: 5e-5,
    targets.EPOCHS: 3,
    targets.WEIGHT_DECAY: 0.0,
    targets.SCHEDULER: "linear",
    targets.MAX_LENGTH: 2048,
}
_METHODS = {"sft": "sft", "pt": "cpt", "dpo": "dpo", "kto": "kto"}
_LOSSES = {"sigmoid": "dpo", "orpo": "orpo"}

REASONS = (
    *shared.TRAINER,
    Reason(
        "decided",
        """
        packing neat_packing flash_attn use_unsloth* disable_gradient_checkpointing use_reentrant_gc
        shift_attn upcast_* use_kv_cache use_v1_kernels infer_* offload_folder ignore_pad_token_for_loss
        use_kt kt_* cpu_infer chunk_size mode vllm_* sglang_* per_device_predict_batch_size
        """,
        "tunec fits memory and speed to the machine, and runs a shared prompt once instead of packing",
    ),
    Reason(
        "decided",
        """
        template tool_format enable_thinking reasoning_effort use_fast_tokenizer split_special_tokens
        """,
        "tunec takes tokenizer and chat template from the base model's own files",
    ),
    Reason(
        "decided",
        """
        compute_accuracy predict_with_generate do_predict print_param_status do_sample top_k top_p
        temperature num_beams repetition_penalty length_penalty eval_num_beams eval_on_each_dataset
        skip_special_tokens export_* disable_shuffling
        """,
        "tunec measures, compares and exports by itself: see evaluation, quantization and success_criteria",
    ),
    Reason(
        "decided",
        """
        double_quantization quantization_type quantization_method quantization_device_map
        """,
        "a qlora is quantized in tunec's own way",
    ),
    Reason("decided", "dataset_dir", "paths of task.yaml count from its own folder"),
    Reason(
        "cannot",
        """
        image_* video_* audio_* media_dir use_audio_in_video crop_to_patches freeze_vision_tower
        freeze_language_model freeze_multi_modal_projector
        """,
        "tunec trains on text alone: images, audio and video are not read",
    ),
    Reason(
        "cannot",
        "pref_* dpo_* kto_* simpo_* ld_alpha ref_model* reward_model* ppo_*",
        "task.yaml has no key for it yet: the method's own setting is used",
    ),
    Reason(
        "cannot",
        """
        use_dora use_rslora pissa_* additional_target create_new_adapter adapter_* freeze_* oft_*
        module_dropout use_galore galore_* use_apollo apollo_* use_badam badam_* use_adam_mini use_muon
        use_llama_pro use_mca use_dft_loss mixture_of_depths rope_scaling moe_* fp8* train_from_scratch
        """,
        "task.yaml has no key for this way to train",
    ),
    Reason(
        "cannot",
        """
        add_tokens add_special_tokens new_special_tokens_config init_special_tokens resize_vocab
        """,
        "tunec adds no tokens to a base model",
    ),
    Reason("cannot", "train_on_prompt mask_history", "the loss stands on the answers alone"),
    Reason("cannot", "max_samples", "every row of a source is read: cut the file"),
    Reason("cannot", "mix_strategy interleave_probs", "sources are read one after another: repeat or cut their rows"),
)
INFO_REASONS = (
    Reason("cannot", "*.split *.subset *.folder *.num_samples *.load_from", DOWNLOAD),
    Reason("cannot", "*.ms_hub_url *.om_hub_url", "one place to download the rows from is enough"),
    Reason("cannot", "*.script_url *.cloud_file_name", "tunec runs no loading script: write the rows to a file"),
)


def translate(ledger: Ledger, info: Ledger | None, draft: Draft, place: Place) -> None:
    """Tell every key of the training file and of dataset_info.json; put what tunec has a key for into the draft."""
    shared.model(ledger, draft, place, "model_name_or_path", "model_revision")
    _method(ledger, draft)
    _adapter(ledger, draft)
    shared.numbers(ledger, draft, _NUMBERS, _WHOLES)
    shared.batch(ledger, draft, "per_device_train_batch_size", "gradient_accumulation_steps", 8, NAME)
    shared.schedule(ledger, draft, "lr_scheduler_type")
    shared.optimizer(ledger, "optim")
    shared.dev_share(ledger, draft, "val_size")
    for target, value in _DEFAULTS.items():
        draft.default(target, value, NAME)
    if ledger.value("warmup_steps") is None:
        draft.default(targets.WARMUP, 0.0, NAME)
    if prompt := shared.text(ledger, "default_system"):
        draft.put(targets.SYSTEM_PROMPT, prompt)
        ledger.took(targets.SYSTEM_PROMPT, "default_system")
    datasets(ledger, info, draft, place)
    ledger.settle(REASONS)
    if info:
        info.settle(INFO_REASONS)


def _method(ledger: Ledger, draft: Draft) -> None:
    """`stage` names the method, and of preferences `pref_loss` the loss."""
    stage, loss = shared.text(ledger, "stage"), shared.text(ledger, "pref_loss")
    if ledger.veiled("stage"):
        draft.guess(targets.METHOD, "sft", shared.VEILED)
    if stage is None:
        draft.default(targets.METHOD, "sft", NAME)
        return
    draft.put(targets.METHOD, _METHODS.get(stage, stage))
    if stage == "dpo" and loss:
        draft.put(targets.METHOD, _LOSSES.get(loss, loss))
        if loss in _LOSSES:
            ledger.took(targets.METHOD, "pref_loss")
    if stage in _METHODS:
        ledger.took(targets.METHOD, "stage")
    else:
        ledger.left("cannot", "methods are sft, dpo, orpo, kto, grpo and cpt", "stage")


def _adapter(ledger: Ledger, draft: Draft) -> None:
    """finetuning_type: lora | full, and a lora over 4 bits is a qlora."""
    kind, bits = shared.text(ledger, "finetuning_type"), shared.whole(ledger, "quantization_bit")
    named = "qlora" if kind in (None, "lora") and bits == 4 else kind or "lora"
    if ledger.veiled("finetuning_type"):
        draft.guess(targets.ADAPTER, named, shared.VEILED)
    elif kind is None and bits is None:
        draft.default(targets.ADAPTER, named, NAME)
    else:
        draft.put(targets.ADAPTER, named)
    if kind in ("lora", "full"):
        ledger.took(targets.ADAPTER, "finetuning_type")
    elif kind:
        ledger.left("cannot", "adapters are lora, qlora and full", "finetuning_type")
    if bits == 4:
        ledger.took(targets.ADAPTER, "quantization_bit")
    elif bits is not None:
        ledger.left("cannot", "a qlora is 4 bits, a lora the model's own precision", "quantization_bit")
    _lora(ledger, draft) if named in ("lora", "qlora") else shared.no_adapter(ledger)


def _lora(ledger: Ledger, draft: Draft) -> None:
    """The adapter's numbers; an alpha that is not said is twice the rank there."""
    shared.numbers(ledger, draft, {"lora_dropout": targets.DROPOUT}, _LORA)
    shared.modules(ledger, draft, "lora_target", "all")
    draft.default(targets.RANK, 8, NAME)
    draft.default(targets.ALPHA, 2 * int(draft.values[targets.RANK].value), NAME)
    draft.default(targets.DROPOUT, 0.0, NAME)
    draft.default(targets.MODULES, targets.ALL_LINEAR, NAME)
