"""What is run for each seed: the rounds, reinforcement alone for their cost, a distilled student, and one by itself.

Each run's budget is what the one before it cost, so they are asked for in this order (`follow`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from benchmarks.improvement.cost import Spent, parameters_of, total
from benchmarks.learning.requests import Request
from benchmarks.learning.task import COLD, COLD_EVAL, RL, RL_EVAL, TaskSizes

SIDES = ("rounds", "plain", "distilled", "student")
"""Of a seed, in the order in which they are run."""
SMALLER = ("distilled", "student")
"""Those that train the student."""
POINTS = {
    "rl1": ("rl1",),
    "sft1": ("rejection1", "sft1"),
    "rl2": ("rl2",),
    "sft2": ("rejection2", "sft2"),
    "rl3": ("rl3",),
}
"""Stages of `experiment=self_improvement` after which a model is looked at, and what was done since the one before."""
DISTILL, SFT, SFT_EVAL = "distill", "sft", "sft_eval"
STUDENT = (
    "model.scratch.hidden_size=64",
    "model.scratch.layers=2",
    "model.scratch.intermediate_size=192",
)
"""Half the width, two layers of three."""
SMALL_STUDENT = ("model.scratch.hidden_size=16", "model.scratch.intermediate_size=32")
SMALL_TASK = (
    "data.arithmetic.largest_operand=2",
    "data.arithmetic.problems=12",
    "data.arithmetic.wrong_steps=0",
    f"stages.{COLD}.optimizer.lr=1.0e-2",
    f"stages.{COLD}.demonstrations_per_step=16",
)
"""So few problems that a model of any size knows them at once: there must be right answers to keep."""
LEAST_TOKENS, LEAST_SMALL = 20, 10
"""Of a completion, on average, in the task and in the small one: a solution whose numbers all have one digit has 23 and
11. They turn a budget into a number of steps that is never too small."""
Find = Callable[[Request], dict[str, Any] | None]
"""A run's result, made or looked up; None: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that changes a result, and how many processes share the work."""

    sizes: TaskSizes = field(default_factory=TaskSizes)
    seeds: tuple[int, ...] = (0, 1, 2)
    rl_steps: int = 60
    """Rollouts of each reinforcement stage between two rounds."""
    lr: float = 1e-4
    """Of reinforcement, constant."""
    problems: int = 8192
    """Training problems of a rejection stage and of the teacher, two completions each."""
    student_cold_steps: int = 600
    """Supervised steps of the student's own cold start."""
    student_steps: int = 350
    """Supervised steps on the teacher's traces."""
    samples: int = 4
    """Completions of a held-out problem."""
    workers: int = 2
    """Processes of one thread."""

    def parameters(self, side: str) -> int:
        """Of the model that a side trains."""
        return parameters_of(tuple(self._shared(0, student=side in SMALLER)))

    def rounds(self, seed: int) -> Request:
        """Cold start, reinforcement and two rounds; leaves its cold start for the other side."""
        evaluations = {point: f"{point}_eval" for point in POINTS}
        stages = [stage for point, work in POINTS.items() for stage in (*work, evaluations[point])]
        own = [
            f"pipeline=[{','.join([COLD, COLD_EVAL, *stages])}]",
            f"stages.{RL}.steps={self.rl_steps}",
            *(f"stages.{point}.optimizer.schedule=constant" for point in POINTS if point.startswith("rl")),
            *(f"stages.rejection{number}.data.arithmetic.problems={self._problems}" for number in (1, 2)),
            *self._samples(COLD_EVAL, *evaluations.values()),
        ]
        shared = self._shared(seed, student=False)
        return Request(name=f"rounds_{seed}", overrides=("experiment=self_improvement", *shared, *own), keeps=COLD)

    def plain(self, seed: int, marks: Sequence[int]) -> Request:
        """Reinforcement alone from the same cold start, looked at where it has cost what each point did."""
        return self._reinforced("plain", seed, self.rounds(seed), marks, keeps=RL)

    def distilled(self, seed: int, teacher: Request) -> Request:
        """The student's cold start, then supervised steps on the right answers of `teacher`'s model."""
        own = [
            f"stages.{COLD}.steps={self.student_cold_steps}",
            *(f"+stage@stages.{name}={kind}" for name, kind in ((DISTILL, "distill"), (SFT, "sft"))),
            f"+stage@stages.{SFT_EVAL}=evaluate",
            f"pipeline=[{COLD},{COLD_EVAL},{DISTILL},{SFT},{SFT_EVAL}]",
            f"stages.{DISTILL}.data.arithmetic.problems={self._problems}",
            f"stages.{DISTILL}.rollout.completions_per_prompt=2",
            f"stages.{SFT}.model_from={COLD}",
            f"stages.{SFT}.data_from={DISTILL}",
            f"stages.{SFT}.steps={self.student_steps}",
            f"stages.{SFT}.demonstrations_per_step=${{stages.{COLD}.demonstrations_per_step}}",
            f"stages.{SFT}.optimizer={{lr:2.0e-3,schedule:cosine,warmup_steps:20}}",
            f"stages.{SFT_EVAL}.model_from={SFT}",
            *self._samples(COLD_EVAL, SFT_EVAL),
        ]
        return Request(
            name=f"distilled_{seed}",
            overrides=(*self._shared(seed, student=True), *own),
            models=((f"stages.{DISTILL}.teacher", teacher),),
            keeps=COLD,
        )

    def student(self, seed: int, start: Request, marks: Sequence[int]) -> Request:
        """Reinforcement of the student by itself, from the cold start that `start` leaves."""
        return self._reinforced("student", seed, start, marks)

    def _reinforced(self, side: str, seed: int, start: Request, marks: Sequence[int], keeps: str = "") -> Request:
        tokens = LEAST_SMALL if self.sizes.small else LEAST_TOKENS
        step = Spent(sampled=self.sizes.prompts * self.sizes.completions * tokens)
        own = [
            f"pipeline=[{RL}]",
            f"stages.{RL}.steps={marks[-1] // step.flops(self.parameters(side)) + 1}",
            f"stages.{RL}.optimizer.schedule=constant",
            *self._samples(RL_EVAL),
        ]
        return Request(
            name=f"{side}_{seed}",
            overrides=(*self._shared(seed, student=side in SMALLER), *own),
            models=((f"stages.{RL}.model_from", start),),
            keeps=keeps,
            marks=tuple(marks),
        )

    def _shared(self, seed: int, *, student: bool) -> list[str]:
        small = self.sizes.small
        shape = (SMALL_STUDENT if small else STUDENT) if student else ()
        task = SMALL_TASK if small else ()
        return [*self.sizes.overrides(seed, threads=1), f"optimizer.lr={self.lr}", *task, *shape]

    def _samples(self, *evaluations: str) -> Iterator[str]:
        return (f"stages.{name}.samples_per_problem={self.samples}" for name in evaluations)

    @property
    def _problems(self) -> int:
        return 12 if self.sizes.small else self.problems


def points_spent(rounds: Mapping[str, Any]) -> dict[str, Spent]:
    """What the rounds have cost at each point, from the cold start on."""
    sums = accumulate(total(rounds["stages"], work) for work in POINTS.values())
    return dict(zip(POINTS, sums, strict=True))


def student_marks(distilled: Mapping[str, Any], model: int, student: int) -> list[int]:
    """FLOPs of the student's supervised steps, and with those of writing the traces; arguments are parameters."""
    own = total(distilled["stages"], [SFT]).flops(student)
    return [own, own + total(distilled["stages"], [DISTILL]).flops(model)]


Runs = dict[str, tuple[Request, dict[str, Any] | None]]
"""Side to what is asked, and its result."""


def follow(plan: Plan, seed: int, find: Find) -> Runs:
    """A seed's runs in their order, up to the first without a result."""
    runs: Runs = {}

    def ask(side: str, request: Request) -> dict[str, Any] | None:
        runs[side] = request, find(request)
        return runs[side][1]

    rounds = ask("rounds", plan.rounds(seed))
    if rounds is None:
        return runs
    model, student = plan.parameters("plain"), plan.parameters("student")
    teacher = plan.plain(seed, [spent.flops(model) for spent in points_spent(rounds).values()])
    if ask("plain", teacher) is None:
        return runs
    start = plan.distilled(seed, teacher)
    distilled = ask("distilled", start)
    if distilled is not None:
        ask("student", plan.student(seed, start, student_marks(distilled, model, student)))
    return runs
