"""What a run will do and need, worked out from its config and its model's shape alone: batches, memory, work."""

from grpo.config.estimate.batches import batch_lines
from grpo.config.estimate.memory import Estimate, Phase, memory_of
from grpo.config.estimate.savings import Saving, savings
from grpo.config.estimate.shape import adapter_parameters, parameter_count, shape_of
from grpo.config.estimate.work import training_flops, work_of

__all__ = [
    "Estimate",
    "Phase",
    "Saving",
    "adapter_parameters",
    "batch_lines",
    "memory_of",
    "parameter_count",
    "savings",
    "shape_of",
    "training_flops",
    "work_of",
]
