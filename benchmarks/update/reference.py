"""The same update in float64, without packing, padding or any of our kernels: `python -m benchmarks.update.reference`.

Every completion goes through the model alone, as prompt and completion, with all its logits; autograd does the rest.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from benchmarks.update.workload import Rollout, load_rollout


def compute(model_folder: Path, rollout: Rollout, gradients: Path) -> tuple[dict[str, float], Rollout]:
    """Loss, mean |token loss| and gradient norm, and the rollout with its log-probs; the gradients go to a file.

    On-policy, so every ratio is 1 and the loss is -Σ A / tokens; its gradient is that of -Σ A·logprob / tokens.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(
        str(model_folder), dtype=torch.float64, attn_implementation="eager", local_files_only=True
    )
    model.to(device).train()
    model.gradient_checkpointing_enable()  # a layer's float64 attention at a time
    loss, size, logprobs = 0.0, 0.0, []
    for completion, advantage in zip(rollout.completions, rollout.advantages, strict=True):
        ids = torch.tensor([[*rollout.prompt, *completion[:-1]]], device=device)
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=len(completion)).logits[0]
        chosen = torch.tensor(completion, device=device).unsqueeze(-1)
        logprob = torch.log_softmax(logits, dim=-1).gather(-1, chosen).squeeze(-1)
        ratio = torch.exp(logprob - logprob.detach())
        part = -(ratio * advantage).sum() / rollout.tokens
        torch.autograd.backward(part)
        loss += part.item()
        size += abs(advantage) * len(completion) / rollout.tokens
        logprobs.append(tuple(logprob.tolist()))
        del logits, logprob, ratio, part
    square = sum(float(weight.grad.square().sum()) for weight in model.parameters())
    save_file({name: weight.grad.float().cpu() for name, weight in model.named_parameters()}, gradients)
    result = {"loss": loss, "mean_token_loss": size, "gradient_norm": square**0.5}
    return result, replace(rollout, logprobs=tuple(logprobs))


def main(request: dict[str, Any]) -> None:
    torch.set_num_threads(request["threads"])
    path = Path(request["rollout"])
    result, rollout = compute(Path(request["model"]), load_rollout(path), Path(request["gradients"]))
    rollout.save(path)
    print(json.dumps(result))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
