"""TRL's side: its GRPOTrainer as it is, sampling with its own `transformers` generation.

At its best for this comparison: no KL and so no reference model, one iteration, the whole rollout's tokens as the
normaliser (its default, and ours), no gradient checkpointing, no dropout, fused AdamW with our betas, no logging.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from benchmarks.learning.task import RL, TaskSizes, problems_in_order
from benchmarks.race.course import Course, Weights
from grpo.config.load import load_config
from grpo.config.schema import ReinforceConfig
from grpo.rewards.format import think_answer_format
from grpo.rewards.integer import exact_integer
from grpo.types import Problem

FUNCTIONS = (exact_integer, think_answer_format)
"""As our default config names them; their order is the weights'."""


class TimedTrainer(GRPOTrainer):
    """Everything of TRL's; generation and rewards are timed, and the step's accuracy and tokens are kept."""

    def _generate_single_turn(self, *arguments: Any, **named: Any) -> Any:
        with self.timed("rollout"):
            return super()._generate_single_turn(*arguments, **named)

    def _generate(self, prompts: list[Any]) -> Any:
        answer = super()._generate(prompts)
        self.step_tokens = sum(map(len, answer[1]))
        return answer

    def _calculate_rewards(self, *arguments: Any, **named: Any) -> torch.Tensor:
        with self.timed("reward"):
            scores: torch.Tensor = super()._calculate_rewards(*arguments, **named)
        self.step_accuracy, self.step_samples = float(scores[:, 0].mean()), len(scores)
        return scores

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.phases[phase] += time.perf_counter() - begun

    def weights(self) -> Weights:
        """As our engines take them."""
        return ((name, tensor.detach()) for name, tensor in self.model.named_parameters())


class Watch(TrainerCallback):
    """Tells the course of each step."""

    def __init__(self, trainer: TimedTrainer, course: Course) -> None:
        self.trainer, self.course = trainer, course

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.course.begin(self.trainer.weights())

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.trainer.phases = {"rollout": 0.0, "reward": 0.0}
        self.begun = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        trainer = self.trainer
        rest = time.perf_counter() - self.begun - sum(trainer.phases.values())
        found = {
            "accuracy": trainer.step_accuracy,
            "samples": trainer.step_samples,
            "tokens": trainer.step_tokens,
        }
        self.course.step_done(found, trainer.phases | {"update": rest}, trainer.weights())


def run(request: dict[str, Any], course: Course, place: Path) -> None:
    """`request`: micro_batch beside what our side has."""
    trainer = build(request, place)
    trainer.add_callback(Watch(trainer, course))
    trainer.train()


def build(request: dict[str, Any], place: Path) -> TimedTrainer:
    """The trainer, its data in the order in which our stage would take it."""
    sizes, folder = TaskSizes(**request["sizes"]), request["model"]
    stage = our_stage(request)
    problems = problems_in_order(sizes, request["seed"], request["steps"] * sizes.prompts)
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="sdpa", local_files_only=True
    )
    return TimedTrainer(
        model=model,
        reward_funcs=list(FUNCTIONS),
        args=config_of(request, stage, place),
        train_dataset=rows_of(problems),
        processing_class=AutoTokenizer.from_pretrained(folder, local_files_only=True),
    )


def our_stage(request: dict[str, Any]) -> ReinforceConfig:
    """The stage our side runs: data, optimizer and rewards are read off it."""
    overrides = TaskSizes(**request["sizes"]).overrides(request["seed"], request["threads"])
    stage = load_config([*overrides, f"optimizer.lr={request['lr']}"]).stages[RL]
    assert isinstance(stage, ReinforceConfig)
    assert stage.reward.functions == [function.__name__ for function in FUNCTIONS], stage.reward.functions
    return stage


def rows_of(problems: list[Problem]) -> Dataset:
    """Prompt and gold answer of each."""
    return Dataset.from_dict({"prompt": [p.prompt for p in problems], "answer": [p.answer for p in problems]})


def config_of(request: dict[str, Any], stage: ReinforceConfig, place: Path) -> GRPOConfig:
    """Our stage's settings in TRL's names."""
    count, micro_batch = stage.prompts_per_step * stage.rollout.completions_per_prompt, request["micro_batch"]
    optimizer = stage.optimizer
    return GRPOConfig(
        output_dir=str(place),
        use_cpu=True,
        bf16=False,
        seed=request["seed"],
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=count // micro_batch,
        num_generations=stage.rollout.completions_per_prompt,
        max_completion_length=stage.rollout.max_tokens,
        shuffle_dataset=False,
        temperature=1.0,
        reward_weights=stage.reward.weights,
        loss_type="dapo",
        beta=0.0,
        num_iterations=1,
        disable_dropout=True,
        gradient_checkpointing=False,
        learning_rate=optimizer.lr,
        lr_scheduler_type="constant",
        optim="adamw_torch_fused",
        adam_beta1=optimizer.beta1,
        adam_beta2=optimizer.beta2,
        adam_epsilon=optimizer.eps,
        weight_decay=optimizer.weight_decay,
        max_grad_norm=optimizer.max_grad_norm,
        max_steps=request["steps"],
        logging_strategy="no",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
