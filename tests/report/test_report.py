import html
import itertools
import json
import re
from html.parser import HTMLParser

import pytest

from grpo.report import write_comparison, write_report
from grpo.report.cost import stage_costs
from grpo.report.read import read_groups, read_run
from grpo.report.samples import chosen
from grpo.report.script import SCRIPT

VOID = {"meta", "br"}
HOSTILE = "<script>alert(1)</script></script>\u2028\u202e\"' onload=x --> ]]> <img src=x onerror=alert(1)>\ud800\x00"


class Reader(HTMLParser):
    """Checks nesting and collects what a browser would see."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.attributes, self.scripts, self.text = [], [], [], [], []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "script" in self.open:
            self.scripts.append(data)
        else:
            self.text.append(data)


def read(path):
    return Reader(path.read_text(encoding="utf-8"))


def charts(page):
    return {
        re.split(r": [\w ]+ from ", label)[0]: json.loads(data)
        for label, data in (
            (html.unescape(label), html.unescape(data))
            for label, data in re.findall(r'aria-label="([^"]*)" data-chart="([^"]*)"', page)
        )
    }


def test_page_shows_what_the_run_did(run_maker):
    path = write_report(run_maker(seed=3))
    assert path.name == "report.html"
    words = " ".join(read(path).text)
    for wanted in (
        "arithmetic",
        "finished",
        "2.0 %",
        "54.7 %",
        "+52.7 points",
        "vllm 0.32.0",
        "8e2c4c4b1f0d-dirty",
        "2 min 57 s",
        "0.0197 USD",
        "650,000",
        "The intervals do not overlap.",
        "4.20e-06",
    ):
        assert wanted in words, wanted


def test_chart_numbers_are_those_of_the_metrics(run_maker):
    run = run_maker(rl_steps=60)
    found = charts(write_report(run).read_text())
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    rewards = [(row["step"], float(f"{row['reward']:.5g}")) for row in rows if "reward" in row]
    (one,) = found["Reward"]["series"]
    assert list(zip(one["steps"], one["values"], strict=True)) == rewards
    assert [line["label"] for line in found["Held-out accuracy"]["series"]] == ["sampled", "greedy"]
    assert {
        "Entropy",
        "Gradient norm",
        "Learning rate",
        "Trainer against sampler",
        "Completion length",
        "Reward: exact_integer",
    } <= set(found)


def test_self_contained(run_maker):
    reader = read(write_report(run_maker()))
    assert not {"link", "img", "iframe", "object", "base"} & set(reader.tags)
    assert reader.tags.count("script") == 1
    for _, name, value in reader.attributes:
        assert name not in ("src", "srcset") and not name.startswith("on")
        if name == "href":
            assert value.startswith("#")
    page = write_report(run_maker("again")).read_text()
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page


def test_model_text_cannot_become_markup(run_maker):
    reader = read(write_report(run_maker(hostile=HOSTILE, rl_steps=3, sft_steps=2)))
    assert reader.tags.count("script") == 1
    assert "".join(reader.scripts) == SCRIPT
    assert "img" not in reader.tags
    assert not [name for _, name, _ in reader.attributes if name.startswith("on")]
    words = " ".join(reader.text)
    assert "<script>alert(1)</script></script>\\u2028\\u202e" in words
    assert "\\ud800\\u0000" in words


def test_hostile_names_cannot_become_markup(run_maker):
    run = run_maker(rl_steps=2, sft_steps=1)
    lines = (run / "metrics.jsonl").read_text().splitlines()
    row = json.loads(lines[-2]) | {"stage": HOSTILE, f"rewards/{HOSTILE}/mean": 1.0}
    (run / "metrics.jsonl").write_text("\n".join([*lines[:-2], json.dumps(row), lines[-1]]) + "\n")
    summary = json.loads((run / "summary.json").read_text())
    summary |= {"name": HOSTILE, "status": HOSTILE, "error": HOSTILE, "git_commit": HOSTILE}
    summary["stages"][HOSTILE] = {"kind": HOSTILE, "wall_seconds": 1}
    summary["eval"] += [{"stage": HOSTILE, "split": HOSTILE, "mode": HOSTILE, "accuracy": 0.5, "ci95": [0.4, 0.6]}]
    summary["cost"]["currency"] = HOSTILE
    (run / "summary.json").write_text(json.dumps(summary))
    for path in (write_report(run), write_comparison([run, run_maker("other")], run / "both.html")):
        reader = read(path)
        assert reader.tags.count("script") == 1
        assert "img" not in reader.tags
        assert not [name for _, name, _ in reader.attributes if name.startswith("on")]


def test_completions_are_sorted_by_reward_and_errors_come_last(run_maker):
    run = run_maker(rl_steps=1, sft_steps=1, groups=1, completions=1)
    (path,) = run.glob("rollouts/*")
    row = json.loads(path.read_text())
    totals = [0.1, None, 1.1, 0.6]
    row["completions"] = [
        {
            "text": f"text {total}",
            "total": total,
            "advantage": None,
            "rewards": {"a": total},
            "error": None if total else "a: timed out",
        }
        for total in totals
    ]
    path.write_text(json.dumps(row) + "\n")
    page = write_report(run).read_text()
    places = [page.index(f"<pre>text {total}") for total in (1.1, 0.6, 0.1, None)]
    assert places == sorted(places)
    assert "Not scored: a: timed out" in page


def test_config_is_shown_without_secrets(run_maker):
    words = " ".join(read(write_report(run_maker())).text)
    assert "max_tokens: 48" in words
    assert "hf_verysecretvalue" not in words


@pytest.mark.parametrize("missing", ["config.yaml", "metrics.jsonl", "summary.json", "rollouts"])
def test_any_file_may_be_missing(run_maker, missing):
    run = run_maker(rl_steps=5, sft_steps=2)
    (run / missing).rename(run.parent / "away")
    words = " ".join(read(write_report(run)).text)
    assert ("No rollouts" if missing == "rollouts" else f"{missing} is missing") in words


@pytest.mark.parametrize("name", ["config.yaml", "metrics.jsonl", "summary.json"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1, 2]",
        b"null",
        b'"x"',
        b"\xff\xfe\x00",
        b"a: [",
        b'{"step": "x"}\n',
        b'{"step": 1, "reward": 1e999, "stages": 3, "eval": {"a": 1}}\n',
    ],
)
def test_torn_or_strange_files_still_give_a_page(run_maker, name, content):
    run = run_maker(rl_steps=3, sft_steps=2)
    (run / name).write_bytes(content)
    read(write_report(run))


def test_killed_run_shows_what_it_measured(run_maker):
    run = run_maker(rl_steps=20)
    (run / "summary.json").unlink()
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 99, "rewa')
    for path in list(run.glob("rollouts/*"))[-1:]:
        path.write_bytes(path.read_bytes()[:-40])
    words = " ".join(read(write_report(run)).text)
    assert "1 unreadable line(s) left out" in words
    costs = {stage.name: stage for stage in stage_costs(read_run(run))}
    assert costs["rl"].wall_seconds == pytest.approx(20 * 2.1, rel=0.1)
    assert costs["rl"].peak_memory_bytes == pytest.approx(1.4e9 + 1e6 * 52)


def test_stages_follow_the_pipeline_not_the_alphabet(run_maker):
    run = read_run(run_maker(rl_steps=3, sft_steps=2))
    assert [stage.name for stage in stage_costs(run)] == ["before", "cold_start", "warm", "rl", "after"]


def test_paired_gain_is_preferred_over_two_intervals(run_maker):
    run = run_maker(rl_steps=3, sft_steps=2)
    summary = json.loads((run / "summary.json").read_text())
    gain = {"from": "before", "to": "after", "mode": "sampled", "gain": 0.527, "ci95": [0.48, 0.57]}
    (run / "summary.json").write_text(json.dumps(summary | {"eval_gain": [gain]}))
    assert "gain: +48.0 to +57.0 points" in " ".join(read(write_report(run)).text)


def test_size_is_bounded(run_maker):
    run = run_maker(rl_steps=13, sft_steps=2, groups=9, completions=17, hostile="<&>" * 5000)
    path = write_report(run)
    assert path.stat().st_size < 9_000_000
    page = path.read_text()
    assert page.count('class="step"') == 12
    assert "more group(s) left out" in page


def test_long_runs_are_thinned(run_maker):
    run = run_maker(rl_steps=2, sft_steps=1)
    with (run / "metrics.jsonl").open("a") as file:
        for step in range(10, 20_010):
            file.write(json.dumps({"step": step, "stage": "rl2", "stage_step": step, "reward": step % 7}) + "\n")
    page = write_report(run).read_text()
    assert len(page) < 400_000
    (one,) = charts(page)["Reward"]["series"]
    assert len(one["steps"]) <= 600


@pytest.mark.parametrize(("total", "wanted"), [(0, []), (1, [1]), (12, list(range(1, 13)))])
def test_few_steps_are_all_shown(total, wanted):
    assert chosen(range(1, total + 1)) == wanted


def test_many_steps_first_last_and_evenly_between():
    found = chosen(range(1, 1002))
    assert (len(found), found[0], found[-1]) == (12, 1, 1001)
    gaps = {later - earlier for earlier, later in itertools.pairwise(found)}
    assert max(gaps) - min(gaps) <= 1


def test_only_the_asked_groups_are_read(tmp_path):
    path = tmp_path / "step_000001.jsonl"
    path.write_text("".join(json.dumps({"answer": str(n), "prompt": "a\u2028b"}) + "\n" for n in range(5)) + "{torn")
    assert [group["answer"] for group in read_groups(path, 3)] == ["0", "1", "2"]
    assert len(read_groups(path, 10)) == 5


def test_not_a_run_folder(tmp_path):
    with pytest.raises(ValueError, match=r"is not a run folder: it has none of config\.yaml"):
        write_report(tmp_path)
    with pytest.raises(ValueError, match="is not a folder"):
        write_report(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []
