"""Distillation: a teacher's right and readable completions become a data set, for a student's supervised stage.

A teacher that is a model runs in the run's engine, alone: the engine is ended before, started on the teacher's folder,
and ended after, since weights of another shape cannot be pushed into it. A teacher behind an endpoint needs no engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from transformers import AutoTokenizer

from grpo.config.stages_data import DistillConfig, endpoint_of
from grpo.model.load import local_folder
from grpo.stages.context import RunContext
from grpo.stages.reinforce import sampling_settings
from grpo.stages.totals import StageTotals
from grpo.stages.traces.endpoint import Endpoint, EndpointWriter
from grpo.stages.traces.publish import Outcome
from grpo.stages.traces.sample import Sample
from grpo.stages.traces.select import choose, solved
from grpo.stages.traces.work import TraceWork
from grpo.stages.traces.writers import EngineWriter, encoder_of, push_policy
from grpo.types import Problem


def run_distill(name: str, stage: DistillConfig, context: RunContext, checkpoint: Path | None) -> StageTotals:
    """Let the teacher answer every training problem, keep what passes, and write `dataset.parquet` with its counts."""
    work = TraceWork(name, stage, context)
    try:
        endpoint = endpoint_of(stage.teacher)
        taught = by_engine(work, stage) if endpoint is None else by_endpoint(work, stage, *endpoint)
        problems, samples = taught
        found = work.filtered(problems, samples)
        kept, dropped = found.kept, found.dropped
        if stage.select:
            kept, more = chosen(work, stage, problems, kept)
            dropped = {**dropped, **more}
    finally:
        work.close()
    return work.finish(
        Outcome(
            problems=problems,
            sampled=len(samples),
            kept=kept,
            dropped=dropped,
            sampler=stage.teacher,
            weight_version=samples[0].weight_version,
        )
    )


Taught = tuple[list[Problem], list[Sample]]
"""The problems the teacher was asked, and its completions."""


def by_engine(work: TraceWork, stage: DistillConfig) -> Taught:
    """The teacher is a model of this run or a folder of its own, sampled with its own tokenizer and template."""
    context = work.context
    folder = teacher_folder(context, stage.teacher)
    encoder, longest = encoder_of(folder, stage.data, stage.rollout.max_tokens)
    problems = context.fitting(encoder, context.problems(stage, "train"), stage)
    with context.engine.alone(folder, longest) as engine:
        writer = EngineWriter(engine=engine, encoder=encoder, settings=sampling_settings(stage.rollout), keys=work.keys)
        samples = work.collect(writer, problems)
        running = context.engine.running
        if running is not None:
            context.summary.engine(running.name, running.library_version)
    return problems, samples


def by_endpoint(work: TraceWork, stage: DistillConfig, model: str, url: str) -> Taught:
    """The teacher is asked over HTTP; the lengths of its answers are in the student's tokens."""
    context = work.context
    writer = EndpointWriter(
        endpoint=Endpoint.from_environment(url, model, stage.rollout.deadline_seconds),
        settings=sampling_settings(stage.rollout),
        data=stage.data,
        tokenizer=AutoTokenizer.from_pretrained(str(context.model_folder(stage.model_from)), local_files_only=True),
        keys=work.keys,
    )
    problems = context.problems(stage, "train")
    return problems, work.collect(writer, problems)


def teacher_folder(context: RunContext, teacher: str) -> Path:
    """Of an earlier stage, a folder, or a hub model, fetched into the hub's own cache."""
    if teacher in context.config.stages:
        return context.model_folder(teacher)
    return local_folder(str(Path(teacher).expanduser()) if teacher.startswith("~") else teacher, None)


def chosen(
    work: TraceWork, stage: DistillConfig, problems: Sequence[Problem], kept: Sequence[Sample]
) -> tuple[tuple[Sample, ...], dict[str, int]]:
    """s1's choice among what is left, and what it drops: problems the student solves, and those not drawn.

    The student answers each problem `student_samples` times.
    """
    ids = {sample.problem_id for sample in kept}
    left = [problem for problem in problems if problem.id in ids]
    easy = solved(answers(work, stage, left), stage.student_samples) if left else set()
    hard = [problem for problem in left if problem.id not in easy]
    lengths: dict[str, int] = {}
    for sample in kept:
        lengths[sample.problem_id] = max(lengths.get(sample.problem_id, 0), sample.tokens)
    drawn = set(choose(hard, lengths, stage.select, *work.keys))
    selected = tuple(sample for sample in kept if sample.problem_id in drawn)
    too_easy = sum(sample.problem_id in easy for sample in kept)
    return selected, {"solved": too_easy, "not_chosen": len(kept) - too_easy - len(selected)}


def answers(work: TraceWork, stage: DistillConfig, problems: Sequence[Problem]) -> list[Sample]:
    """The student's answers, one greedy or several sampled; problems that do not fit have none."""
    context = work.context
    loaded = context.load_model(stage.model_from)
    encoder = loaded.encoder(stage.data, min(stage.rollout.max_tokens, loaded.context // 2))
    asked, _ = encoder.keep_fitting(problems, "skip")
    settings = replace(sampling_settings(stage.rollout), completions_per_prompt=stage.student_samples)
    if stage.student_samples == 1:
        settings = replace(settings, temperature=0.0)
    with work.clock("sync"):
        engine = push_policy(context, stage, loaded, encoder)
    writer = EngineWriter(engine=lambda: engine, encoder=encoder, settings=settings, keys=(*work.keys, "student"))
    return work.collect(writer, asked, "student")
