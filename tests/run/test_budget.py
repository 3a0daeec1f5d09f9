"""Budget forcing through the whole pipeline, with the transformers engine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from grpo.rollouts.scripted_engine import ScriptedEngine
from grpo.stages.evaluate import Evaluator
from grpo.track.names import check_names
from grpo.track.tracker import Tracker
from grpo.types import Group, Problem, Prompt, StepMetrics
from tests.run.running import metrics, run_here, summary

Run = tuple[Path, list[tuple[int, ...]]]

CURVE = [
    "+stage@stages.curve=budget",
    "pipeline=[cold_start,curve]",
    "stages.curve.model_from=cold_start",
    "stages.curve.budgets=[2,4,8]",
    "stages.curve.waits=1",
    "stages.curve.wait_text='; '",
]


@pytest.fixture(scope="module")
def forced(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run's folder, and the ids of every completion that was scored."""
    ids: list[tuple[int, ...]] = []
    mark = Evaluator.mark

    def watched(self: Evaluator, problems: list[Problem], groups: list[Group]) -> Any:
        ids.extend(one.token_ids for group in groups for one in group.completions)
        return mark(self, problems, groups)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Evaluator, "mark", watched)
        code, folder = run_here(tmp_path_factory.mktemp("forced"), *CURVE)
    assert code == 0
    return folder, ids


def test_the_curve_is_in_summary_and_metrics(forced: Run) -> None:
    folder, ids = forced
    (entry,) = summary(folder)["budget"]
    assert (entry["stage"], entry["n"], entry["temperature"], entry["wait_text"]) == ("curve", 8, 0.0, "; ")
    points = [(one["budget"], one["waits"]) for one in entry["points"]]
    assert points == [(2, 0), (4, 0), (8, 0), (2, 1), (4, 1), (8, 1)] and len(ids) == 6 * 8
    for one in entry["points"]:
        assert one["thinking_tokens"] <= one["budget"] and one["ci95"][0] <= one["accuracy"] <= one["ci95"][1]
    assert [one["control"] for one in entry["curves"]] == [1.0, 1.0]
    moves = [(one["from"]["budget"], one["to"]["budget"], one["to"]["waits"]) for one in entry["doublings"]]
    assert moves[:2] == [(2, 4, 0), (4, 8, 0)]  # with a wait only where one had room
    line = metrics(folder)[-1]
    check_names({name: value for name, value in line.items() if name not in ("step", "stage", "stage_step")})
    assert line["budget/8_tokens_1_waits/accuracy"] == entry["points"][-1]["accuracy"]
    assert line["budget/0_waits/control"] == 1.0
    kept = json.loads((folder / "stages" / "curve" / "points.json").read_text())
    assert len(kept) == 6 and all(len(values) == 8 for values in kept.values())


def test_the_end_of_thinking_is_forced_at_the_budget(forced: Run) -> None:
    """A model that has learnt next to nothing does not end its thinking in time: the end's two ids come at the limit.

    Completions come by number of waits, then budget; ids 2 to 5 of the byte tokenizer are the four tags.
    """
    folder, ids = forced
    points = summary(folder)["budget"][0]["points"]
    seen = 0
    for place, point in enumerate(points):
        cut = [one for one in ids[8 * place : 8 * place + 8] if one[point["budget"] :][:2] == (3, 4)]
        assert len(cut) >= round(8 * point["forced"])
        assert all(3 not in one[: point["budget"]] for one in cut)
        seen += len(cut)
    assert seen > 8 and all(len(one) <= 24 for one in ids)


def test_the_report_draws_the_curve_and_says_whether_doubling_pays(forced: Run) -> None:
    page = (forced[0] / "report.html").read_text()
    section = page[page.index('<section id="budget">') :].partition("</section>")[0]
    assert 'aria-label="Accuracy over tokens of thinking: 1 wait from' in section
    # Two lines (0 and 1 waits) of three points each, with an interval a point.
    assert len(re.findall(r'<path class="line t[01]"', section)) == 2
    assert len(re.findall(r'<circle class="dot t[01]"', section)) == 6
    assert len(re.findall(r'<line class="line t[01]"', section)) == 6
    assert section.count("Doubling the thinking budget from") >= 2 and "accuracy measurably" in section
    assert "s1’s measures" in section and 'href="#budget"' in page


class Died(BaseException):
    """Stands for a crash."""


def test_a_run_that_died_in_the_stage_goes_on(forced: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Tracker.log

    def dying(self: Tracker, line: StepMetrics) -> None:
        log(self, line)
        if line.stage == "curve":
            raise Died

    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "log", dying)
        with pytest.raises(Died):
            run_here(tmp_path, *CURVE)
    code, folder = run_here(tmp_path, *CURVE, "resume=auto")
    assert code == 0 and metrics(folder) == metrics(forced[0])
    assert summary(folder)["budget"] == summary(forced[0])["budget"]


def test_what_a_script_thinks_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that thinks three tokens, says `</think><answer>1</answer>`, and three more after each wait, forever.

    Under budget 8: no wait 3 tokens; one wait 3 + 1 + 3 = 7; a second has no room, since 7 + 1 = 8.
    """
    asked: list[tuple[int, ...]] = []

    def script(self: ScriptedEngine, prompt: Prompt, index: int) -> list[int]:
        asked.append(prompt.token_ids)
        return self_ids["thought"] if prompt.token_ids[-2:] != self_ids["end"] else self_ids["answer"]

    self_ids: dict[str, Any] = {}
    init = Evaluator.__init__

    def starting(self: Evaluator, *arguments: Any) -> None:
        init(self, *arguments)
        encode = self.sampler.encoder.encode_text
        end = self.sampler.engine.checkpoint.eos_token_ids[0]  # type: ignore[attr-defined]
        self_ids["thought"] = [*encode("1+1</think><answer>1</answer>"), end]
        self_ids["answer"] = [*encode("0</answer>"), end]
        self_ids["end"] = encode("</think><answer>")

    monkeypatch.setattr(Evaluator, "__init__", starting)
    monkeypatch.setattr(ScriptedEngine, "_random_tokens", script)
    overrides = [*CURVE, "rollout=scripted", "pipeline=[curve]", "stages.curve.model_from=base"]
    code, folder = run_here(tmp_path, *overrides, "stages.curve.waits=2", "stages.curve.wait_text=','")
    assert code == 0
    points = summary(folder)["budget"][0]["points"]
    found = [
        (one["budget"], one["waits"], one["thinking_tokens"], one["forced"], one["waits_appended"]) for one in points
    ]
    assert found == [
        (2, 0, 2.0, 1.0, 0.0), (4, 0, 3.0, 0.0, 0.0), (8, 0, 3.0, 0.0, 0.0),
        (2, 1, 2.0, 1.0, 0.0), (4, 1, 3.0, 0.0, 0.0), (8, 1, 7.0, 0.0, 1.0),
        (2, 2, 2.0, 1.0, 0.0), (4, 2, 3.0, 0.0, 0.0), (8, 2, 7.0, 0.0, 1.0),
    ]  # fmt: skip
    # 8 problems: thinking once, one wait each, one answer each at budget 2; nothing is asked twice.
    assert len(asked) == 8 * 3


def test_sampled_with_several_completions(tmp_path: Path) -> None:
    code, folder = run_here(
        tmp_path,
        *CURVE,
        "pipeline=[curve]",
        "stages.curve.model_from=base",
        "stages.curve.samples_per_problem=3",
        "stages.curve.rollout.temperature=1.0",
        "stages.curve.waits=0",
    )
    assert code == 0
    (entry,) = summary(folder)["budget"]
    assert entry["samples_per_problem"] == 3 and entry["temperature"] == 1.0
    assert [one["forced"] for one in entry["points"]] == pytest.approx([1.0] * 3, abs=0.2)
    sampled = summary(folder)["stages"]["curve"]["tokens_sampled"]
    assert 0 < sampled <= 8 * 3 * (24 + 20 + 18 + 14)


def test_budgets_without_room_for_an_answer_are_refused(tmp_path: Path) -> None:
    """23 tokens of thinking and two that end it exceed the 24 of a completion."""
    overrides = [*CURVE, "pipeline=[curve]", "stages.curve.model_from=base", "stages.curve.budgets=[23]"]
    code, folder = run_here(tmp_path, *overrides)
    assert code == 1 and "leave no room for an answer in rollout.max_tokens=24" in summary(folder)["error"]
