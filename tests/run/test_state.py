from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from grpo.run.checkpoint import load_checkpoint, save_checkpoint
from grpo.run.state import ModelState, OptimizerState, PartState, RandomState, StateRegistry


class Net(torch.nn.Module):
    def __init__(self, *, tied: bool = False, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embedding = torch.nn.Embedding(5, 3)
        self.body = torch.nn.Linear(3, 3)
        self.head = torch.nn.Linear(3, 5, bias=False)
        self.register_buffer("count", torch.zeros(1))
        if tied:
            self.head.weight = self.embedding.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.body(self.embedding(ids))))


def adamw(net: Net) -> torch.optim.AdamW:
    decayed = [parameter for parameter in net.parameters() if parameter.ndim > 1]
    plain = [parameter for parameter in net.parameters() if parameter.ndim == 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95), amsgrad=True)


class Training:
    """Model, optimizer and the global generators, as a stage registers them."""

    def __init__(self, *, tied: bool, seed: int) -> None:
        self.net = Net(tied=tied, seed=seed)
        self.optimizer = adamw(self.net)
        self.parts = StateRegistry()
        self.parts.register("model", ModelState(self.net))
        self.parts.register("optimizer", OptimizerState(self.optimizer, self.net.named_parameters()))
        self.parts.register("random", RandomState())

    def steps(self, count: int) -> None:
        for _ in range(count):
            ids = torch.randint(0, 5, (4,))
            scale = random.random() + float(np.random.standard_normal())
            self.optimizer.zero_grad()
            (self.net(ids).square().sum() * scale).backward()
            self.optimizer.step()
            self.net.count += 1


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("before", [0, 1, 4])
def test_resumed_training_is_bit_equal(tmp_path, tied, before):
    random.seed(1), np.random.seed(1)
    straight = Training(tied=tied, seed=0)
    straight.steps(before)
    path = save_checkpoint(tmp_path, before, straight.parts, {"stage": "sft"})
    straight.steps(5)
    random.seed(2), np.random.seed(2), np.random.standard_normal()
    resumed = Training(tied=tied, seed=7)
    resumed.steps(2)  # must be undone by loading
    assert load_checkpoint(path, resumed.parts).meta == {"stage": "sft"}
    resumed.steps(5)
    for name, tensor in straight.net.state_dict().items():
        assert torch.equal(tensor, resumed.net.state_dict()[name]), name
    for one, other in zip(straight.net.parameters(), resumed.net.parameters(), strict=True):
        for key, value in straight.optimizer.state[one].items():
            assert torch.equal(value, resumed.optimizer.state[other][key]), key
    if tied:
        assert resumed.net.head.weight is resumed.net.embedding.weight


def test_optimizer_that_has_not_stepped_has_no_tensors():
    net = Net()
    state = OptimizerState(adamw(net), net.named_parameters()).state()
    assert state.tensors == {}
    assert state.values["groups"][0]["options"]["betas"] == [0.9, 0.95]


def test_options_come_back_with_their_types():
    net, other = Net(), Net()
    saved = OptimizerState(adamw(net), net.named_parameters())
    fresh = torch.optim.AdamW(
        [{"params": [p for p in other.parameters() if p.ndim == n]} for n in (2, 1)], lr=1.0, betas=(0.5, 0.5)
    )
    OptimizerState(fresh, other.named_parameters()).load_state(saved.state())
    assert fresh.param_groups[0]["betas"] == (0.9, 0.95)
    assert [group["weight_decay"] for group in fresh.param_groups] == [0.1, 0.0]
    assert fresh.param_groups[0]["lr"] == 0.01


def test_moments_keep_their_dtype():
    parameter = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    optimizer = torch.optim.AdamW([parameter])
    optimizer.state[parameter] = {"step": torch.tensor(2.0), "exp_avg": torch.full((3,), 0.1), "note": 4}
    part = OptimizerState(optimizer, [("weight", parameter)])
    saved = part.state()
    optimizer.state.clear()
    part.load_state(saved)
    state = optimizer.state[parameter]
    assert state["exp_avg"].dtype == torch.float32
    assert state["exp_avg"][0] == torch.tensor(0.1)
    assert state["note"] == 4
    assert state["exp_avg"].data_ptr() != saved.tensors["weight:exp_avg"].data_ptr()


def test_optimizer_of_other_parameters_is_refused():
    net, small = Net(), torch.nn.Linear(2, 2)
    saved = OptimizerState(adamw(net), net.named_parameters()).state()
    with pytest.raises(ValueError, match="other parameters"):
        OptimizerState(torch.optim.AdamW(small.parameters()), small.named_parameters()).load_state(saved)
    with pytest.raises(ValueError, match="have no name"):
        OptimizerState(torch.optim.AdamW(small.parameters()), net.named_parameters())


def test_model_of_another_shape_is_refused_untouched():
    net = Net()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    tensors = {name: tensor + 1 for name, tensor in before.items()}
    broken = {
        "names": {name: tensor for name, tensor in tensors.items() if name != "count"},
        "shape": tensors | {"count": torch.zeros(2)},
        "dtype": tensors | {"count": torch.zeros(1, dtype=torch.float64)},
    }
    for what, wrong in broken.items():
        with pytest.raises(ValueError, match="count"):
            ModelState(net).load_state(PartState(tensors=wrong))
        assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items()), what


def test_untied_weights_do_not_load_into_a_tied_model():
    with pytest.raises(ValueError, match="tied"):
        ModelState(Net(tied=True)).load_state(ModelState(Net()).state())


def test_global_generators_continue():
    part = RandomState()
    saved = part.state()
    first = (random.random(), random.gauss(0, 1), np.random.standard_normal(), float(torch.rand(1)))
    part.load_state(saved)
    assert (random.random(), random.gauss(0, 1), np.random.standard_normal(), float(torch.rand(1))) == first


def test_generators_of_another_number_of_devices_are_refused():
    saved = RandomState().state()
    more = PartState(dict(saved.tensors) | {f"cuda_{i}": torch.zeros(1) for i in range(9)}, saved.values)
    with pytest.raises(ValueError, match="CUDA devices"):
        RandomState().load_state(more)


@pytest.mark.parametrize("name", ["", "Model", "a/b", "../x", "manifest", "1st", "a.b"])
def test_bad_part_names_are_refused(name):
    with pytest.raises(ValueError, match="part name"):
        StateRegistry().register(name, RandomState())


def test_duplicate_part_name_is_refused():
    registry = StateRegistry()
    registry.register("random", RandomState())
    with pytest.raises(ValueError, match="already registered"):
        registry.register("random", RandomState())
    assert list(registry) == ["random"]
