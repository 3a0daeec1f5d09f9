"""The scripted engine: the script's tokens, the model's log-probs."""

from __future__ import annotations

import pytest

from grpo.rollouts.engine import RolloutEngine
from grpo.rollouts.scripted_engine import ScriptedEngine
from grpo.rollouts.transformers_engine import TransformersEngine
from grpo.types import Prompt, SamplingSettings
from tests.rollouts.conftest import ModelFolder
from tests.rollouts.tiny_models import EOS, engine_settings, prompts, sampled

FOUR = SamplingSettings(completions_per_prompt=3, max_tokens=4)


def test_writes_the_script_and_scores_it_with_the_model(model_folder: ModelFolder) -> None:
    lines = [(9, 8, EOS), (7,), (5, 6, 7, 8, 9, 10)]
    settings = engine_settings("scripted", model_folder(False))
    engine: RolloutEngine = ScriptedEngine(settings, lambda prompt, index: lines[index])
    groups = engine.sample(prompts(2), FOUR)
    assert sampled(groups) == [(9, 8, EOS), (7, EOS), (5, 6, 7, 8)] * 2
    assert [row.finish_reason for row in groups[0].completions] == ["stop", "stop", "length"]
    scorer = TransformersEngine(engine_settings("transformers", model_folder(False)))
    start = len(groups[1].prompt.token_ids) - 1
    for completion in groups[1].completions:
        (scores,) = scorer.score([groups[1].prompt.token_ids + completion.token_ids])
        assert completion.logprobs == pytest.approx(scores[start:], abs=1e-5)


def test_script_sees_prompt_and_index(model_folder: ModelFolder) -> None:
    seen: list[tuple[str, int]] = []

    def script(prompt: Prompt, index: int) -> list[int]:
        seen.append((prompt.problem_id, index))
        return [EOS]

    ScriptedEngine(engine_settings("scripted", model_folder(True)), script).sample(prompts(2), FOUR)
    assert seen == [("p0", 0), ("p0", 1), ("p0", 2), ("p1", 0), ("p1", 1), ("p1", 2)]


def test_default_script_survives_a_restart(model_folder: ModelFolder) -> None:
    settings = engine_settings("scripted", model_folder(False))
    assert ScriptedEngine(settings).sample(prompts(4), FOUR) == ScriptedEngine(settings).sample(prompts(4), FOUR)


def test_tokens_outside_the_vocabulary_are_refused(model_folder: ModelFolder) -> None:
    engine = ScriptedEngine(engine_settings("scripted", model_folder(False)), lambda prompt, index: [48])
    with pytest.raises(ValueError, match=r"script wrote tokens \[48\]: valid are 0 to 47"):
        engine.sample(prompts(1), FOUR)


@pytest.mark.parametrize(
    ("lengths", "count", "first", "discarded"),
    [
        ([(3, 3), (1, 2), (2, 1)], 1, [1], 2 + 2 + 2 + 1),
        ([(3, 3), (1, 2), (2, 1)], 2, [1, 2], 2 + 2),
        ([(3, 3), (1, 2), (2, 1)], 3, [0, 1, 2], 0),
        ([(4, 1), (2, 4), (3, 3)], 1, [2], 3 + 1 + 2 + 3),
        ([(4, 1), (2, 4), (3, 3)], 2, [0, 2], 2 + 4),
    ],
)
def test_first_groups_by_hand(
    lengths: list[tuple[int, int]], count: int, first: list[int], discarded: int, model_folder: ModelFolder
) -> None:
    """Lengths with the end-of-sequence token; 4 is the limit. In the last case two groups end in step 4."""
    settings = engine_settings("scripted", model_folder(False))
    engine = ScriptedEngine(settings, lambda prompt, index: [7] * (lengths[int(prompt.problem_id[1:])][index] - 1))
    two = SamplingSettings(completions_per_prompt=2, max_tokens=4)
    found = engine.sample_first(prompts(3), two, count)
    assert [place for place, group in enumerate(found.groups) if group is not None] == first
    assert found.tokens_discarded == discarded


def test_a_second_batch_begins_when_the_first_was_not_enough(model_folder: ModelFolder) -> None:
    """Two prompts at once; the fourth prompt is fast and still late, as is all of the third batch."""
    settings = engine_settings("scripted", model_folder(False), max_sequences=2)
    lines = [[7, 7, 7], [7], [7, 7], [], [], []]
    engine = ScriptedEngine(settings, lambda prompt, index: lines[int(prompt.problem_id[1:])])
    one = SamplingSettings(completions_per_prompt=1, max_tokens=6)
    found = engine.sample_first(prompts(6), one, 3)
    assert [group is not None for group in found.groups] == [True, True, False, True, False, False]
    assert found.tokens_discarded == 1
