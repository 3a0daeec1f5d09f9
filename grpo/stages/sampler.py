"""Samples groups from the current policy and keeps the engine's weights its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch

from grpo.data.prompts import PromptEncoder
from grpo.rollouts.engine import FirstGroups, RolloutEngine
from grpo.run.random import derive_seed, python_random
from grpo.types import Group, Problem, Prompt, SamplingSettings
from grpo.update.mismatch import MismatchLimit
from grpo.update.packing import PackingLimits
from grpo.update.policy import Policy

PROBE_SEQUENCES = 4
PROBE_TOKENS = 24


class PolicySampler:
    """One stage's view of the engine."""

    def __init__(
        self,
        engine: RolloutEngine,
        policy: Policy,
        encoder: PromptEncoder,
        mismatch: MismatchLimit,
        limits: PackingLimits,
    ) -> None:
        self.engine, self.policy, self.encoder = engine, policy, encoder
        self._mismatch, self._limits = mismatch, limits
        self.largest_probe_difference = 0.0
        self._engine_has_base = False

    def sample(self, problems: Sequence[Problem], settings: SamplingSettings, *seed_keys: int | str) -> list[Group]:
        """One group per problem; each prompt's seed derives from `seed_keys` and the problem's id.

        A problem that occurs again, where there are fewer than are asked for, is sampled anew.
        """
        return self.engine.sample(self._prompts(problems, seed_keys), settings)

    def sample_first(
        self, problems: Sequence[Problem], settings: SamplingSettings, count: int, *seed_keys: int | str
    ) -> FirstGroups:
        """As `sample`, but the `count` groups that are complete first."""
        return self.engine.sample_first(self._prompts(problems, seed_keys), settings, count)

    def _prompts(self, problems: Sequence[Problem], seed_keys: tuple[int | str, ...]) -> list[Prompt]:
        prompts = []
        before: Counter[str] = Counter()
        for problem in problems:
            again = (before[problem.id],) if before[problem.id] else ()
            before[problem.id] += 1
            seed = derive_seed(*seed_keys, problem.id, *again)
            prompts.append(Prompt(problem_id=problem.id, token_ids=self.encoder.encode(problem), seed=seed))
        return prompts

    def push_weights(self, version: int) -> float:
        """Give the engine the policy's weights and prove it: the probe's largest difference, nats.

        The first time all of them, later only what training changes.

        Raises LogprobMismatchError when the engine's log-probs of fixed tokens are not the policy's.
        """
        self.engine.wake()
        changed = self.policy.changed_weights() if self._engine_has_base else None
        if changed is None:
            self.engine.update_weights(self.policy.named_weights(), version)
        else:
            self.engine.update_weights(changed, version, partial=True)
        self._engine_has_base = True
        return self._prove(version)

    def _prove(self, version: int) -> float:
        sequences = self._probe_sequences()
        found = self.engine.score(sequences)
        expected = self.policy.sequence_logprobs(sequences, self._limits)
        difference = torch.cat([(torch.tensor(a) - b).abs() for a, b in zip(found, expected, strict=True)])
        self._mismatch.check(difference, f"probe after weight update {version}")
        largest = float(difference.max())
        self.largest_probe_difference = max(self.largest_probe_difference, largest)
        return largest

    def _probe_sequences(self) -> list[tuple[int, ...]]:
        """Fixed pseudo-random tokens, the same for every update of a model."""
        vocabulary = self.policy.model.config.vocab_size
        length = min(PROBE_TOKENS, self.policy.model.config.max_position_embeddings - 1)
        rng = python_random("probe", vocabulary)
        return [tuple(rng.randrange(vocabulary) for _ in range(length)) for _ in range(PROBE_SEQUENCES)]
