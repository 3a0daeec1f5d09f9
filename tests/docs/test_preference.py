"""The reward model in docs/rewards.md, with a tiny random classifier: its numbers, its batches, its worker."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Qwen2ForSequenceClassification

from grpo.rewards.suite import build_suite
from grpo.types import Problem, RewardItem
from tests.docs.reward_model import SOURCE, TOKENIZER, write_reward_model

PROMPTS = ["7+5=", "1+1=", "3-3="]
COMPLETIONS = ["<think>7+5=12</think><answer>12</answer>", "2", "<think>x</think> none at all, sir "]
READ = [
    "<|user|>7+5=\n<|assistant|><answer>12</answer>\n",
    "<|user|>1+1=\n<|assistant|>2\n",
    "<|user|>3-3=\n<|assistant|>none at all, sir\n",
]
"""What the model is to read of each pair: no reasoning."""
HANGING = """

class Slow(Preference):
    def __call__(self, prompts, completions, log_metric):
        import time
        log_metric("texts", len(prompts))
        time.sleep(600 if "hang" in completions else 0)
        return super().__call__(prompts, completions)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reward_model(tmp_path_factory.mktemp("reward") / "reward_model")


@pytest.fixture(scope="module")
def preference() -> Any:
    names: dict[str, Any] = {}
    exec(compile(SOURCE, "docs/rewards.md", "exec"), names)
    return names["Preference"]


@pytest.fixture(scope="module")
def scores(folder: Path) -> list[float]:
    """One text at a time, nothing padded: the body's last hidden state, the head's one row, the sigmoid."""
    model = Qwen2ForSequenceClassification.from_pretrained(folder).eval()
    found = []
    for text in READ:
        ids = torch.tensor([TOKENIZER(text, add_special_tokens=False)["input_ids"]])
        with torch.inference_mode():
            last = model.model(input_ids=ids).last_hidden_state[0, -1]
            found.append(1 / (1 + math.exp(-float(model.score.weight[0] @ last))))
    assert len({round(score, 3) for score in found}) == 3
    return found


@pytest.mark.parametrize("at_once", [1, 2, 16])
def test_scores_are_the_models_in_batches_of_any_size(
    at_once: int, folder: Path, preference: Any, scores: list[float]
) -> None:
    assert preference(str(folder), at_once=at_once)(PROMPTS, COMPLETIONS) == pytest.approx(scores, abs=1e-5)


def test_conversations_are_read_alike(folder: Path, preference: Any, scores: list[float]) -> None:
    prompts = [[{"role": "user", "content": prompt}] for prompt in PROMPTS]
    completions = [[{"role": "assistant", "content": text}] for text in COMPLETIONS]
    assert preference(str(folder))(prompts, completions) == pytest.approx(scores, abs=1e-5)


def test_pickled_weights_are_refused(folder: Path, preference: Any, tmp_path: Path) -> None:
    for file in folder.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        preference(str(tmp_path))


@pytest.mark.slow
def test_its_worker_gets_whole_batches_and_outlives_an_overrun(
    folder: Path, tmp_path: Path, scores: list[float]
) -> None:
    """A call that hangs is killed, the worker loads the model again, and all but the hanging one are scored."""
    (tmp_path / "my_rewards.py").write_text(SOURCE + HANGING, encoding="utf-8")
    suite = build_suite([f"{tmp_path}/my_rewards.py:Slow"], [0.5], 8.0, settings={"Slow": {"model": str(folder)}})
    first, second, third = (_item(*pair) for pair in zip(PROMPTS, COMPLETIONS, strict=True))
    halves = [score / 2 for score in scores]
    try:
        found = [[score.total for score in row] for row in suite.score([[first, second], [third]])]
        assert [*found[0], *found[1]] == pytest.approx(halves, abs=1e-5)
        assert suite.metrics == {"texts": 3.0} and suite.counters["Slow"].calls == 1
        again = suite.score([[first, _item("1+1=", "hang")], [third]])
        assert [again[0][0].total, again[1][0].total] == pytest.approx([halves[0], halves[2]], abs=1e-5)
        assert again[0][1].total is None and "took longer than" in str(again[0][1].error)
    finally:
        suite.close()


def _item(prompt: str, completion: str) -> RewardItem:
    problem = Problem(id=prompt, prompt=prompt, answer="1")
    return RewardItem(problem=problem, completion=completion, completion_ids=(1,), finish_reason="stop")
