from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo.run.tensors import read_tensors, require_finite, stored_bytes, write_tensors

DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.uint8, torch.bool]


@settings(max_examples=30)
@given(shape=st.lists(st.integers(0, 4), max_size=3), dtype=st.sampled_from(DTYPES), seed=st.integers(0, 99))
def test_round_trip_is_exact(tmp_path_factory, shape, dtype, seed):
    tensor = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)
    path = tmp_path_factory.mktemp("tensors") / "x.safetensors"
    write_tensors(path, {"x": tensor, "y": torch.tensor(3.0)})
    back = read_tensors(path)
    assert torch.equal(back["x"], tensor)
    assert back["x"].dtype == dtype
    assert back["y"].shape == ()


def test_tied_tensors_are_stored_once_and_both_come_back(tmp_path):
    weight = torch.randn(100, 10)
    tied = {"head": weight, "embedding": weight, "other": weight + 1}
    path = tmp_path / "x.safetensors"
    write_tensors(path, tied)
    assert stored_bytes(tied) == 2 * 4000
    assert 8000 < path.stat().st_size < 8600
    back = read_tensors(path)
    assert all(torch.equal(back[name], tied[name]) for name in tied)


def test_overlapping_and_transposed_views(tmp_path):
    base = torch.arange(12.0).reshape(3, 4)
    views = {"base": base, "row": base[1], "turned": base.T, "first": base[:2]}
    write_tensors(tmp_path / "x", views)
    back = read_tensors(tmp_path / "x")
    assert set(back) == set(views)
    assert all(torch.equal(back[name], views[name]) for name in views)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_bad_value_is_named(bad, dtype):
    tensor = torch.zeros(5, dtype=dtype)
    tensor[3] = bad
    with pytest.raises(ValueError, match=r"part 'model': tensor 'head' has 1 of 5 values"):
        require_finite({"ok": torch.ones(2), "ids": torch.ones(2, dtype=torch.int64), "head": tensor}, "part 'model'")
