"""TRL's side: its GRPOTrainer, trained for real, with a fixed rollout where it would sample and score.

What is timed lies between the trainer's own `on_step_begin` and `on_step_end`: all micro-batches forward and backward,
clipping, AdamW, schedule, dropping the gradients. One iteration per generation, so TRL runs no old-log-prob pass.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from benchmarks.update.workload import LEARNING_RATE, Rollout, Shared, load_rollout

if TYPE_CHECKING:
    from benchmarks.update.worker import Clerk


ATTENTION = "sdpa"
"""Ours ends in torch's scaled_dot_product_attention too."""


class _NoMoreOrdersError(Exception):
    """Ends the trainer's loop."""


class FixedRolloutTrainer(GRPOTrainer):
    """Everything of TRL's, but the rollout is given, and loss and norm are kept."""

    def give(self, batch: dict[str, torch.Tensor]) -> None:
        self.batch, self.summed_loss, self.norm = batch, 0.0, 0.0

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, torch.Tensor]:
        return dict(self.batch)

    def training_step(self, *arguments: Any, **named: Any) -> torch.Tensor:
        loss = super().training_step(*arguments, **named)
        self.summed_loss += float(loss)
        return loss

    def _clip_grad_norm(self, model: torch.nn.Module) -> Any:
        self.norm = super()._clip_grad_norm(model)
        return self.norm


class _Steps(TrainerCallback):
    def __init__(self, clerk: Clerk) -> None:
        self.clerk = clerk
        self.trainer: FixedRolloutTrainer | None = None

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        assert self.trainer is not None
        self.trainer.summed_loss = 0.0
        if not self.clerk.begin():
            raise _NoMoreOrdersError

    def on_step_end(self, *_: Any, **__: Any) -> None:
        assert self.trainer is not None
        self.clerk.end(self.trainer.summed_loss, float(self.trainer.norm))


def run(request: dict[str, Any], clerk: Clerk) -> None:
    """`request["setting"]`: micro_batch, completions."""
    shared = Shared(**request["shared"])
    rollout = load_rollout(Path(request["rollout"]))
    steps = _Steps(clerk)
    with tempfile.TemporaryDirectory() as place:
        trainer = build(Path(request["model"]), shared, rollout, request["setting"]["micro_batch"], Path(place))
        trainer.add_callback(steps)
        steps.trainer = trainer
        clerk.watch(trainer.create_optimizer(), trainer.model)
        clerk.answer(ready=True)
        try:
            trainer.train()
        except _NoMoreOrdersError:
            return


def build(folder: Path, shared: Shared, rollout: Rollout, micro_batch: int, place: Path) -> FixedRolloutTrainer:
    """The trainer with the shared settings; the loss is DAPO's, a mean over all tokens of the step."""
    count = len(rollout.completions)
    model = AutoModelForCausalLM.from_pretrained(
        str(folder), dtype=getattr(torch, shared.dtype), attn_implementation=ATTENTION, local_files_only=True
    )
    config = GRPOConfig(
        output_dir=str(place),
        use_cpu=not torch.cuda.is_available(),
        bf16=False,  # no autocast: the weights have the dtype already
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=count // micro_batch,
        num_generations=count,
        max_completion_length=max(map(len, rollout.completions)),
        loss_type="dapo",
        beta=0.0,
        temperature=1.0,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        optim="adamw_torch_fused",
        adam_beta1=shared.beta1,
        adam_beta2=shared.beta2,
        adam_epsilon=shared.eps,
        weight_decay=0.0,
        max_grad_norm=shared.max_grad_norm,
        gradient_checkpointing=shared.activations == "recompute",
        max_steps=1_000_000,
        logging_steps=1_000_000,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = FixedRolloutTrainer(
        model=model,
        reward_funcs=_no_reward,
        args=config,
        train_dataset=Dataset.from_dict({"prompt": ["x"] * count}),
        processing_class=AutoTokenizer.from_pretrained(str(folder), local_files_only=True),
    )
    trainer.give(padded(rollout, trainer.processing_class.pad_token_id, trainer.accelerator.device))
    return trainer


def _no_reward(completions: list[Any], **_: Any) -> list[float]:
    raise AssertionError("the rollout is given: nothing is scored")


def padded(rollout: Rollout, pad: int, device: torch.device) -> dict[str, torch.Tensor]:
    """What TRL's own sampling would hand to the update: one row per completion, padded to the longest."""
    rows = [torch.tensor(ids, device=device) for ids in rollout.completions]
    prompt = torch.tensor([rollout.prompt] * len(rows), device=device)
    ids = pad_sequence(rows, batch_first=True, padding_value=pad)
    mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    return {
        "prompt_ids": prompt,
        "prompt_mask": torch.ones_like(prompt),
        "completion_ids": ids,
        "completion_mask": mask,
        "advantages": torch.tensor(rollout.advantages, device=device),
        "num_items_in_batch": mask.sum(),
    }
