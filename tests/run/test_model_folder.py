from __future__ import annotations

import hashlib
import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from grpo.run.disk import DiskSpaceError
from grpo.run.model_folder import require_model_folder, save_model


def tiny_model(tied: bool = False, seed: int = 0):
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(seed)
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": 16}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    return Qwen2ForCausalLM(Qwen2Config(**shape, **heads, tie_word_embeddings=tied, max_position_embeddings=16))


def tiny_tokenizer():
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    vocabulary = {character: index for index, character in enumerate("0123456789+-=;")} | {"<e>": 14, "<p>": 15}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE(vocab=vocabulary, merges=[])), eos_token="<e>", pad_token="<p>"
    )


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("tied", [False, True])
def test_saved_model_loads_with_from_pretrained(tmp_path, tied):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = tiny_model(tied)
    folder = save_model(model, tiny_tokenizer(), tmp_path / "stages" / "rl" / "model")
    require_model_folder(folder)
    back = AutoModelForCausalLM.from_pretrained(folder)
    assert all(torch.equal(tensor, back.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids(list("7+5")) == [7, 10, 5]
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    assert not list(folder.glob("*.bin"))
    assert {"manifest.json", "config.json", "model.safetensors"} <= {path.name for path in folder.iterdir()}


def test_given_state_dict_is_what_is_written(tmp_path):
    from safetensors.torch import load_file

    other = {name: tensor + 1 for name, tensor in tiny_model().state_dict().items()}
    save_model(tiny_model(), None, tmp_path / "m", state_dict=other)
    written = load_file(tmp_path / "m" / "model.safetensors")
    assert all(torch.equal(other[name], tensor) for name, tensor in written.items())


def test_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    folder = save_model(tiny_model(), None, tmp_path / "model")
    before = digests(folder)
    model = tiny_model(seed=1)
    with pytest.raises(OSError, match="cut"):
        monkeypatch.setattr(model, "save_pretrained", lambda path, **_: (path / "half").write_text("x") and fail())
        save_model(model, None, folder)
    assert digests(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    monkeypatch.undo()
    save_model(model, None, folder)
    assert digests(folder) != before
    require_model_folder(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def fail():
    raise OSError("cut")


def test_not_finite_and_no_space_are_refused_before_writing(tmp_path, monkeypatch):
    model = tiny_model()
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
        with pytest.raises(DiskSpaceError, match="1000 are free"):
            save_model(model, None, tmp_path / "model")
    with torch.no_grad():
        model.model.norm.weight[2] = float("nan")
    with pytest.raises(ValueError, match=r"'model\.norm\.weight' has 1 of 8"):
        save_model(model, None, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def hand_made(tmp_path):
    """A model folder from elsewhere: two shards, an index, no manifest."""
    for index in (1, 2):
        save_file({f"w{index}": torch.ones(4)}, tmp_path / f"model-{index}.safetensors")
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    weights = {"weight_map": {f"w{index}": f"model-{index}.safetensors" for index in (1, 2)}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(weights))
    require_model_folder(tmp_path)
    return tmp_path


def test_missing_pieces_are_named(hand_made):
    (hand_made / "model-2.safetensors").rename(hand_made / "gone")
    with pytest.raises(ValueError, match=r"model-2\.safetensors is missing: the index lists it"):
        require_model_folder(hand_made)
    (hand_made / "gone").rename(hand_made / "model-2.safetensors")
    (hand_made / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json cannot be read as JSON"):
        require_model_folder(hand_made)
    (hand_made / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="not a JSON object"):
        require_model_folder(hand_made)
    (hand_made / "config.json").unlink()
    with pytest.raises(ValueError, match=r"config\.json is missing"):
        require_model_folder(hand_made)
    with pytest.raises(ValueError, match="is not a folder"):
        require_model_folder(hand_made / "config.json")


def test_truncated_shard_is_named(hand_made):
    path = hand_made / "model-1.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"model-1\.safetensors is not a complete safetensors file"):
        require_model_folder(hand_made)


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", "a/b.safetensors"])
def test_index_may_not_leave_the_folder(hand_made, name):
    (hand_made / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w1": name}}))
    with pytest.raises(ValueError, match="outside the folder"):
        require_model_folder(hand_made)


def test_pickled_weights_are_refused_and_never_opened(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="has no weights"):
        require_model_folder(tmp_path)
    canary = tmp_path / "executed"
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch " + str(canary).encode() + b"'\ntR.")
    with pytest.raises(ValueError, match=r"only as pytorch_model\.bin, a pickle, which is refused"):
        require_model_folder(tmp_path)
    assert not canary.exists()


def test_flipped_bit_in_our_own_weights_is_found_but_other_files_may_be_edited(tmp_path):
    folder = save_model(tiny_model(), None, tmp_path / "model")
    (folder / "README.md").write_text("mine")
    (folder / "generation_config.json").write_text("{}")
    require_model_folder(folder)
    path = folder / "model.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"model\.safetensors does not have the SHA-256"):
        require_model_folder(folder)
