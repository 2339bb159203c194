"""Merges the user's own DeepSpeed settings with those that the recipe decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

OWNED: Mapping[str, str] = {
    "train_batch_size": "`train.batch_size` sets it",
    "train_micro_batch_size_per_gpu": "`train.micro_batch_size` sets it",
    "gradient_accumulation_steps": "the batch sizes and the ranks determine it",
    "managed_gradient_accumulation": "the engine sets it",
    "gradient_clipping": "`train.gradient_clipping` sets it",
    "optimizer": "`train.optimizer` sets it",
    "scheduler": "`train.lr_schedule` sets it",
    "zero_force_ds_cpu_optimizer": "`train.optimizer` sets it",
    "fp16": "`train.precision` sets it",
    "bf16": "`train.precision` sets it",
    "bfloat16": "`train.precision` sets it",
    "torch_autocast": "`train.precision` sets it",
    "data_types": "`train.precision` sets it",
    "zero_optimization.stage": "`engine.zero_stage` sets it",
    "zero_optimization.offload_optimizer": "gradients are clipped where they are made",
    "zero_optimization.offload_param": "parameters stay where they are used",
}
"""Settings that the user may not give, by dotted path, and why."""

LARGEST_BUCKET = 500_000_000
_BUCKET_UNIT = 1024  # DeepSpeed wants an even number


def owned_settings(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Those of the user's settings that the recipe owns: dotted path, value, reason."""
    for path, reason in OWNED.items():
        value: Any = settings
        for part in path.split("."):
            if not isinstance(value, Mapping) or part not in value:
                break
            value = value[part]
        else:
            yield path, value, reason


def merge_settings(
    settings: Mapping[str, Any], *, zero_stage: int, micro: int, accumulation: int, weights: int
) -> dict[str, Any]:
    """The settings to start DeepSpeed with, for a learner of ``weights`` parameters.

    The user's override our defaults; what the recipe owns overrides the user's. Buckets
    are no larger than the learner: DeepSpeed would reserve 2 GB for the smallest student.
    """
    bucket = min(-(-weights // _BUCKET_UNIT) * _BUCKET_UNIT, LARGEST_BUCKET)
    zero = {
        "reduce_bucket_size": bucket,
        "allgather_bucket_size": bucket,
        "overlap_comm": False,
        **settings.get("zero_optimization", {}),
        "stage": zero_stage,
    }
    return {
        "steps_per_print": None,
        **settings,
        "zero_optimization": zero,
        "train_micro_batch_size_per_gpu": micro,
        "gradient_accumulation_steps": accumulation,
        "gradient_clipping": 0.0,
        # Plain torch optimizers work element by element, so they may be given flat pieces.
        "zero_allow_untested_optimizer": True,
    }
