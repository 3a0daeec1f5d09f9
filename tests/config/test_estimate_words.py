"""The lengths that the estimates assume of the task in words, against real tokens."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from grpo.config.estimate.parts import demonstration_tokens, prompt_tokens
from grpo.config.load import load_config
from grpo.data.arithmetic import training_problems
from grpo.data.prompts import PromptEncoder
from grpo.model.scratch import write_scratch_model


@pytest.mark.parametrize(("operands", "largest"), [(3, 9), (4, 7)])
def test_lengths_in_words_are_near_the_real_ones(operands: int, largest: int, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    shape = [f"data.arithmetic.operands={operands}", f"data.arithmetic.largest_operand={largest}"]
    config = load_config(["experiment=bilingual", *shape])
    problems = training_problems(config.data.arithmetic)
    texts = [text for problem in problems for text in (str(problem.prompt), str(problem.demonstration))]
    write_scratch_model(config.model.scratch, texts, 0, tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(str(tmp_path / "model"))
    encoder = PromptEncoder(tokenizer, None, config.model.scratch.context, config.rollout.max_tokens)
    prompts, demonstrations = zip(*map(encoder.encode_demonstration, problems), strict=True)
    assert prompt_tokens(config.data) == pytest.approx(statistics.mean(map(len, prompts)), rel=0.2)
    wanted = statistics.mean(map(len, demonstrations))
    assert demonstration_tokens(config.data, config.rollout) == pytest.approx(wanted, rel=0.1)
    if operands == 3:  # the experiment's own
        assert max(map(len, demonstrations)) <= config.rollout.max_tokens
