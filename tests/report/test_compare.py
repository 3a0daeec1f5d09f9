"""Several runs on one page, the README picture, and the command line."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from grpo.report.__main__ import main
from grpo.report.page import comparison_html, run_labels
from grpo.report.picture import mean_curve, write_curve_picture
from grpo.report.read import read_run
from grpo.report.series import Series


def test_curves_are_overlaid_with_a_colour_per_run(run_maker):
    runs = [read_run(run_maker(f"run{seed}", seed=seed)) for seed in (0, 1, 2)]
    page = comparison_html(runs)
    figure = re.search(r"<figure.*?</figure>", page, re.S).group()
    assert all(f'class="key t{place}">seed {place}<' in figure for place in range(3))
    assert page.count("Held-out accuracy, greedy") == 2
    assert "8 min 51 s" in page


def test_labels_differ(run_maker):
    one, two = read_run(run_maker("a", seed=1)), read_run(run_maker("b", seed=1))
    assert run_labels([one, two]) == ["a", "b"]


def test_too_many_runs(run_maker):
    run = read_run(run_maker(rl_steps=1, sft_steps=1))
    with pytest.raises(ValueError, match="9 runs are too many"):
        comparison_html([run] * 9)


def test_picture_is_well_formed_and_says_start_and_end(run_maker, tmp_path):
    out = write_curve_picture([run_maker(f"run{seed}", seed=seed) for seed in (0, 1)], tmp_path / "curve.svg")
    root = ElementTree.fromstring(out.read_text())
    label = root.attrib["aria-label"]
    start, end = map(float, re.search(r"reward: ([\d.]+) → ([\d.]+) \(mean of 2 runs", label).groups())
    assert start == pytest.approx(0.38, abs=0.05) and end == pytest.approx(0.65, abs=0.05)
    assert len(root.findall(".//{*}path[@fill='none']")) == 3
    assert out.stat().st_size < 30_000


def test_mean_of_the_shared_steps():
    one = Series(label="a", tone=0, steps=(1, 2, 3), values=(1.0, 2.0, 3.0), stages=("s",) * 3)
    two = Series(label="b", tone=0, steps=(2, 3, 4), values=(4.0, 4.0, 9.0), stages=("s",) * 3)
    assert (mean_curve([one, two]).steps, mean_curve([one, two]).values) == ((2, 3), (3.0, 3.5))


def test_picture_without_a_curve(run_maker, tmp_path):
    run = run_maker(rl_steps=1, sft_steps=1)
    (run / "metrics.jsonl").unlink()
    with pytest.raises(ValueError, match="none of the 1 run"):
        write_curve_picture([run], tmp_path / "curve.svg")


def test_command_line(run_maker, tmp_path, capsys, monkeypatch):
    one, two = str(run_maker("one", seed=1)), str(run_maker("two", seed=2))
    monkeypatch.chdir(tmp_path)
    assert main([one]) == 0
    assert main([one, "--out", "x.html"]) == 0
    assert main([one, two]) == 0
    assert main([one, two, "--picture", "c.svg"]) == 0
    assert capsys.readouterr().out.split() == [f"{one}/report.html", "x.html", "comparison.html", "c.svg"]
    assert (tmp_path / "x.html").read_text() == (tmp_path / "one" / "report.html").read_text()


def test_command_line_errors(run_maker, tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 2
    assert main([str(run_maker()), "--out", "a", "--picture", "b"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert "nowhere is not a folder" in errors[0]
    assert "--picture and --out" in errors[1]


def test_help_without_heavy_imports():
    code = (
        "import sys; from grpo.report.__main__ import parser; parser().format_help(); "
        "assert not {'torch', 'transformers', 'vllm', 'hydra'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)
