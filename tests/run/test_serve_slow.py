"""The exported model behind vLLM's OpenAI-compatible server, asked by a real client."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from grpo.data.prompts import PromptEncoder
from grpo.types import Problem
from tests.run.running import run_here

pytestmark = [pytest.mark.slow, pytest.mark.vllm]
PAGE = Path(__file__).parents[2] / "docs" / "serving.md"
START_SECONDS, END_SECONDS = 600.0, 60.0
MAX_TOKENS = 24
QUESTIONS = ("3+4=", "7-2=", "1+1=")
TRAINED = [
    "model.scratch.hidden_size=64", "model.scratch.layers=2", "stages.cold_start.steps=120",
    "stages.cold_start.demonstrations_per_step=32", "data.arithmetic.wrong_steps=0.0",
]  # fmt: skip
"""Heads of 32, as vLLM wants on a CPU, and enough steps that answers come to an end."""
TEMPLATE = "Question: {prompt}\nAnswer:"
KINDS = {
    "full": [],
    "lora": [
        "model=scratch_bpe",
        "model.scratch.vocab_size=320",
        "model.lora.rank=8",
        f"data.prompt_template='{TEMPLATE}'",
    ],
}


def documented_command(folder: Path, port: int) -> list[str]:
    """The CPU command of docs/serving.md with this folder and port, on this machine's own interface."""
    (line,) = re.findall(r"^python -m vllm\..*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert "runs/RUN/model" in line and "--port 8000" in line
    words = shlex.split(line.replace("runs/RUN/model", shlex.quote(str(folder))).replace("8000", str(port)))
    return [sys.executable, *words[1:], "--host", "127.0.0.1"]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def served(folder: Path, log: Path, *flags: str) -> Iterator[str]:
    """The server's address; whatever happens inside, no process of it is left."""
    port = free_port()
    quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*documented_command(folder, port), *flags],
            stdout=out,
            stderr=out,
            env=os.environ | quiet,
            start_new_session=True,
        )
    try:
        wait_until_healthy(server, f"http://127.0.0.1:{port}/health", log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        end(server)


def wait_until_healthy(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            pytest.fail(f"the server ended with {server.returncode}:\n{log.read_text()[-3000:]}")
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.5)
    pytest.fail(f"the server did not answer within {START_SECONDS:g} s:\n{log.read_text()[-3000:]}")


def end(server: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL for the whole group when some of it is left after a minute, which is a failure."""
    server.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        server.poll()  # reaps it: a zombie would count as a member of its group
        try:
            os.killpg(server.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.2)
    os.killpg(server.pid, signal.SIGKILL)
    server.wait(timeout=10)
    pytest.fail(f"the server's processes were still there {END_SECONDS:g} s after SIGTERM")


@pytest.fixture(scope="module", params=sorted(KINDS))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """(kind, run folder)"""
    if request.param == "lora":
        pytest.importorskip("peft", reason="peft is not installed: pip install -e .[lora]")
    code, folder = run_here(tmp_path_factory.mktemp(request.param), *TRAINED, *KINDS[request.param])
    assert code == 0
    return request.param, folder


def greedy(model: Any, tokenizer: Any, ids: list[int]) -> list[int]:
    """New ids, the end-of-sequence token included, by transformers."""
    with torch.no_grad():
        found = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=MAX_TOKENS)
    new: list[int] = found[0, len(ids) :].tolist()
    return new


def test_the_server_answers_as_transformers_does(run: tuple[str, Path], tmp_path: Path) -> None:
    openai = pytest.importorskip("openai", reason="openai is not installed: it comes with vLLM")
    kind, folder = run
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype="float32")
    encoder = PromptEncoder(tokenizer, None, 128, MAX_TOKENS, template=TEMPLATE if kind == "lora" else None)
    ends: list[str] = []
    flags = ["--enforce-eager"] if kind == "lora" else []  # compiling once is enough
    with served(folder / "model", tmp_path / "server.log", *flags) as address:
        client = openai.OpenAI(base_url=address, api_key="none", timeout=120, max_retries=0)
        (listed,) = client.models.list().data
        assert listed.id == str(folder / "model") and listed.max_model_len == 128
        asked = {"model": listed.id, "max_tokens": MAX_TOKENS, "temperature": 0,
                 "extra_body": {"return_token_ids": True}}  # fmt: skip
        for question in QUESTIONS:
            trained = list(encoder.encode(Problem(id="a", prompt=question, answer="")))
            expected = greedy(model, tokenizer, trained)
            chat = client.chat.completions.create(messages=[{"role": "user", "content": question}], **asked)
            plain = client.completions.create(prompt=tokenizer.decode(trained), **asked)
            assert chat.prompt_token_ids == trained and plain.choices[0].prompt_token_ids == trained
            assert chat.choices[0].token_ids == expected and plain.choices[0].token_ids == expected
            assert chat.choices[0].message.content == plain.choices[0].text
            ends.append(chat.choices[0].finish_reason)
    assert "stop" in ends, "no answer came to its end: the end-of-sequence token was not tried"


def test_adapters_load_and_answer_as_the_merged_model(run: tuple[str, Path]) -> None:
    kind, folder = run
    if kind == "full":
        assert not (folder / "stages" / "rl" / "adapter").exists()
        return
    from peft import PeftConfig, PeftModel

    adapter = folder / "stages" / "rl" / "adapter"
    base = PeftConfig.from_pretrained(str(adapter)).base_model_name_or_path
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype="float32"), str(adapter))
    merged = AutoModelForCausalLM.from_pretrained(folder / "model", dtype="float32")
    ids = tokenizer(TEMPLATE.replace("{prompt}", QUESTIONS[0]))["input_ids"]
    with torch.no_grad():
        one, other = adapted(torch.tensor([ids])).logits, merged(torch.tensor([ids])).logits
    torch.testing.assert_close(one, other, rtol=0, atol=1e-4)
    assert greedy(adapted, tokenizer, ids) == greedy(merged, tokenizer, ids)
