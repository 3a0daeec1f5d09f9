"""`dry_run=true`: what a run would do, need and cost, and whether its data and rewards work, without a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from grpo.config.check_algorithm import warnings
from grpo.config.errors import ConfigError
from grpo.config.estimate import batch_lines, memory_of, parameter_count, savings
from grpo.config.load import to_yaml
from grpo.config.schema import ReinforceConfig, RunConfig
from grpo.config.slices import DataConfig, RewardConfig
from grpo.cost.estimate import estimate_cost, estimate_lines, matrix_rate
from grpo.cost.project import read_project
from grpo.types import Problem, RewardItem

ROWS = 4
"""Training rows looked at."""


def dry_run(config: RunConfig) -> int:
    """Print everything; exit code 0. Raises ConfigError when the data or a reward function does not work."""
    print(to_yaml(config))
    sections = {
        "Batches": batch_lines(config),
        "Peak memory above the libraries, by phase (estimate)": memory_lines(config),
        "Work and cost (estimate)": cost_lines(config),
    }
    if found := warnings(config):
        sections["Warnings"] = iter(found)
    for title, lines in sections.items():
        print("\n".join([title, *(f"  {line}" for line in lines), ""]))
    for key, data, reward in checked_slices(config):
        problems = data_check(key, data)
        if reward is not None:
            reward_check(reward, problems)
    print("\ndry run: nothing was trained; leave out dry_run=true to start")
    return 0


def memory_lines(config: RunConfig) -> Iterator[str]:
    """The phases with their parts, the largest marked, and what would lower it most."""
    estimate = memory_of(config)
    if estimate is None:
        yield f"unknown: the size of {config.model.name} is neither in its name nor in a local folder"
        return
    yield f"{parameter_count(config.model):,} parameters in {config.model.dtype}"
    width = max(len(phase.label) for phase in estimate.phases)
    for phase in estimate.phases:
        held = sorted(phase.device.items(), key=lambda part: -part[1])
        parts = ", ".join(f"{name} {gibibytes(size)}" for name, size in held)
        mark = "  <- peak" if phase is estimate.peak else ""
        yield f"{phase.label:<{width}}  {gibibytes(phase.total):>9}: {parts}{mark}"
    where = f" on the device, {gibibytes(estimate.host_bytes)} on the host" if estimate.host_bytes else ""
    yield f"peak about {gibibytes(estimate.peak_bytes)}{where}"
    for reason in estimate.unknown:
        yield f"not counted: {reason}"
    found = [f"{saving.change} (-{gibibytes(saving.bytes)})" for saving in savings(config)]
    yield f"To lower it: {', '.join(found)}" if found else "No knob would lower it"


def gibibytes(size: int) -> str:
    """`1.50 GiB`, or `3.2 MiB` below a tenth of one."""
    return f"{size / 2**30:.2f} GiB" if size >= 2**30 / 10 else f"{size / 2**20:.1f} MiB"


def cost_lines(config: RunConfig) -> Iterator[str]:
    """Tokens per stage, hours and money, by earlier runs of the run root or this machine's measured matrix rate."""
    estimate = estimate_cost(config, read_project(Path(config.run_root)).runs, matrix_rate)
    yield from estimate_lines(estimate, config.cost.currency, config.cost.price_per_device_hour)


def checked_slices(config: RunConfig) -> Iterator[tuple[str, DataConfig, RewardConfig | None]]:
    """Each different data slice of the pipeline once, with the reward it meets first."""
    seen: list[tuple[DataConfig, RewardConfig | None]] = []
    for name in config.pipeline:
        stage = config.stages[name]
        reward = stage.reward if isinstance(stage, ReinforceConfig) else None
        if isinstance(stage, ReinforceConfig) and (stage.data, reward) not in seen:
            seen.append((stage.data, reward))
            yield f"stages.{name}", stage.data, reward
    if not seen:
        yield "data", config.data, None


def data_check(key: str, data: DataConfig) -> list[Problem]:
    """Load the rows and show the first; raises ConfigError with the rows at fault."""
    from grpo.data.load import load_split

    try:
        train, held_out = load_split(data, "train"), load_split(data, "held_out")
    except (ValueError, OSError) as error:
        raise ConfigError(f"{key}: {error}") from None
    print(f"Data of {key}\n  {len(train):,} training and {len(held_out):,} held-out problems")
    print(f"  first: {str(train[0].prompt)[:200]!r} → {train[0].answer!r}")
    return train[:ROWS]


def reward_check(reward: RewardConfig, problems: list[Problem]) -> None:
    """Score each row's demonstration and a wrong answer; raises ConfigError when a function fails on them."""
    from grpo.rewards.suite import build_suite

    try:
        suite = build_suite(
            reward.functions,
            reward.weights,
            reward.deadline_seconds,
            reward.in_process,
            settings=reward.settings,
        )
    except (ValueError, ImportError) as error:
        raise ConfigError(str(error)) from None
    groups = [[item(problem, text) for _, text in answers(problem)] for problem in problems]
    try:
        scores = suite.score(groups)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    finally:
        suite.close()
    print(f"Rewards on {len(problems)} rows: total, then {', '.join(suite.names)}")
    for problem, group in zip(problems, scores, strict=True):
        for (label, _), score in zip(answers(problem), group, strict=True):
            if score.error is not None:
                raise ConfigError(f"reward failed on row {problem.id} ({label}): {score.error}")
            print(f"  {problem.id} {label}: {score.total:g} = {', '.join(map(str, score.parts))}")


def answers(problem: Problem) -> list[tuple[str, str]]:
    """Completions to try the rewards on: the gold answer in the template, the row's demonstration, and nothing."""
    tried = [("gold answer", f"<think>reasoning</think><answer>{problem.answer}</answer>"), ("empty answer", "")]
    if problem.demonstration is not None:
        tried.insert(1, ("demonstration", problem.demonstration))
    return tried


def item(problem: Problem, text: str) -> RewardItem:
    """A completion as the rewards see it; without a tokenizer its ids are the text's characters."""
    ids = tuple(ord(character) for character in text)
    return RewardItem(problem=problem, completion=text, completion_ids=ids, finish_reason="stop")
