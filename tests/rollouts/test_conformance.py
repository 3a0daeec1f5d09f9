"""What holds for every engine, on a tied and an untied model, against plain transformers computations."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from grpo.types import Completion, Group, Prompt, SamplingSettings
from tests.rollouts.tiny_models import (
    BLOCK,
    CONTEXT,
    EOS,
    VOCAB,
    Subject,
    largest_difference,
    loaded,
    perturbed,
    prompts,
    sampled,
)

TOLERANCE = 1e-4
FULL = SamplingSettings(completions_per_prompt=4, max_tokens=12)


@pytest.fixture(autouse=True)
def first_weights(subject: Subject) -> Iterator[None]:
    """Each test ends on the weights it began with."""
    yield
    subject.engine.update_weights(list(subject.model.named_parameters()), 0)


def reference_logits(model: torch.nn.Module, token_ids: tuple[int, ...]) -> np.ndarray:
    """(T, V) float64 from one unpadded, uncached forward pass."""
    with torch.no_grad():
        return model(torch.tensor([token_ids]), use_cache=False).logits[0].double().numpy()


def reference_logprobs(logits: np.ndarray, settings: SamplingSettings) -> np.ndarray:
    """(V,) by the definition: scale, keep what is at least min_p times the likeliest, keep the k likeliest, keep the
    smallest set of mass top_p, renormalise."""
    scaled = logits / (settings.temperature or 1.0)
    probabilities = np.exp(scaled - scaled.max())
    order = np.argsort(-probabilities)
    if settings.temperature:
        probabilities[probabilities < settings.min_p] = 0  # the likeliest is 1 here
    if settings.top_k and settings.temperature:
        probabilities[order[settings.top_k :]] = 0
    probabilities /= probabilities.sum()
    if settings.top_p < 1 and settings.temperature:
        kept = int(np.searchsorted(np.cumsum(probabilities[order]), settings.top_p)) + 1
        probabilities[order[kept:]] = 0
    with np.errstate(divide="ignore"):
        return np.log(probabilities / probabilities.sum())


def expected(model: torch.nn.Module, group: Group, completion: Completion, settings: SamplingSettings) -> list[float]:
    start = len(group.prompt.token_ids) - 1
    logits = reference_logits(model, group.prompt.token_ids + completion.token_ids)
    return [
        float(reference_logprobs(logits[start + place], settings)[token])
        for place, token in enumerate(completion.token_ids)
    ]


def worst_error(model: torch.nn.Module, groups: list[Group], settings: SamplingSettings) -> float:
    rows = [(group, completion) for group in groups for completion in group.completions]
    return largest_difference(
        [completion.logprobs for _, completion in rows],
        [tuple(expected(model, group, completion, settings)) for group, completion in rows],
    )


def reference_scores(model: torch.nn.Module, sequences: list[tuple[int, ...]]) -> list[tuple[float, ...]]:
    plain = SamplingSettings(completions_per_prompt=1, max_tokens=1)
    scores = []
    for sequence in sequences:
        logits = reference_logits(model, sequence)
        scores.append(
            tuple(float(reference_logprobs(logits[place], plain)[token]) for place, token in enumerate(sequence[1:]))
        )
    return scores


def test_shapes_order_and_finish_reasons(subject: Subject) -> None:
    asked = prompts(16)
    groups = subject.engine.sample(asked, FULL)
    assert [group.prompt for group in groups] == asked
    assert all(len(group.completions) == 4 for group in groups)
    reasons = Counter()
    for completion in (completion for group in groups for completion in group.completions):
        reasons[completion.finish_reason] += 1
        assert 1 <= len(completion.token_ids) == len(completion.logprobs) <= 12
        assert EOS not in completion.token_ids[:-1]
        assert (completion.finish_reason == "stop") == (completion.token_ids[-1] == EOS)
        assert completion.finish_reason == "stop" or len(completion.token_ids) == 12
        assert completion.weight_version == 0
        assert all(isinstance(token, int) and 0 <= token < VOCAB for token in completion.token_ids)
        assert all(type(value) is float and value <= 0 for value in completion.logprobs)
    assert reasons["stop"] > 3 and reasons["length"] > 3


@pytest.mark.parametrize(
    ("temperature", "top_p", "top_k", "min_p"),
    [
        (1.0, 1.0, 0, 0.0),
        (0.7, 1.0, 0, 0.0),
        (1.0, 0.8, 0, 0.0),
        (1.0, 1.0, 5, 0.0),
        (0.7, 0.9, 12, 0.0),
        (1.5, 1.0, 1, 0.0),
        (1.3, 1.0, 0, 0.2),
        (0.7, 0.8, 5, 0.1),  # any other order differs, but for min-p and top-k, which may change places
        (1.5, 0.9, 0, 0.15),
    ],
)
def test_logprobs_are_those_of_the_sampled_distribution(
    subject: Subject, temperature: float, top_p: float, top_k: int, min_p: float
) -> None:
    settings = SamplingSettings(
        completions_per_prompt=4, max_tokens=12, temperature=temperature, top_p=top_p, top_k=top_k, min_p=min_p
    )
    if subject.scripted and (top_p < 1 or top_k > 0 or min_p > 0):
        with pytest.raises(ValueError, match="top_p=1, top_k=0 and min_p=0"):
            subject.engine.sample(prompts(1), settings)
        return
    groups = subject.engine.sample(prompts(6), settings)
    assert worst_error(subject.model, groups, settings) < TOLERANCE


def test_frequencies_match_the_model(subject: Subject) -> None:
    """Pearson's chi-squared on 2048 first tokens; mean = degrees of freedom, standard deviation = sqrt(2 * that)."""
    if subject.scripted:
        pytest.skip("the scripted engine does not draw from the model")
    settings = SamplingSettings(completions_per_prompt=256, max_tokens=1)
    token_ids = (7, 9, 11)
    asked = [Prompt(problem_id=str(seed), token_ids=token_ids, seed=seed) for seed in range(8)]
    counts = np.bincount([ids[0] for ids in sampled(subject.engine.sample(asked, settings))], minlength=VOCAB)
    wanted = 2048 * np.exp(reference_logprobs(reference_logits(subject.model, token_ids)[-1], settings))
    common = wanted >= 5
    observed = np.append(counts[common], counts[~common].sum())
    hoped = np.append(wanted[common], wanted[~common].sum())
    statistic, freedom = float(((observed - hoped) ** 2 / hoped).sum()), len(hoped) - 1
    assert freedom > 5
    assert statistic < freedom + 5 * math.sqrt(2 * freedom)


def test_greedy_is_the_uncached_argmax(subject: Subject) -> None:
    settings = SamplingSettings(completions_per_prompt=1, max_tokens=8, temperature=0.0)
    groups = subject.engine.sample(prompts(5), settings)
    assert worst_error(subject.model, groups, settings) < TOLERANCE
    if subject.scripted:
        return
    for group in groups:
        ids = list(group.prompt.token_ids)
        for token in group.completions[0].token_ids:
            assert token == int(reference_logits(subject.model, tuple(ids))[-1].argmax())
            ids.append(token)


def test_same_seed_same_completions_bit_for_bit(subject: Subject) -> None:
    subject.engine.sample(prompts(3, first_seed=500), FULL)
    first = subject.engine.sample(prompts(6), FULL)
    subject.engine.sample(prompts(9, first_seed=900), FULL)
    assert subject.engine.sample(prompts(6), FULL) == first


def test_seeds_and_indices_give_different_completions(subject: Subject) -> None:
    token_ids = (5, 6, 7)
    asked = [Prompt(problem_id=str(seed), token_ids=token_ids, seed=seed) for seed in (0, 1, 2, 2**31 - 1)]
    rows = sampled(subject.engine.sample(asked, SamplingSettings(completions_per_prompt=8, max_tokens=10)))
    # Neighbouring seeds must not share streams; only short completions may coincide by chance.
    long = [row for row in rows if len(row) >= 4]
    assert len(long) > 12
    assert len(set(long)) == len(long)


def test_a_completion_does_not_depend_on_its_company(subject: Subject) -> None:
    asked = prompts(12)
    together = subject.engine.sample(asked, FULL)
    for place in (0, 7):
        (alone,) = subject.engine.sample([asked[place]], FULL)
        assert sampled([alone]) == sampled([together[place]])
        pairs = zip(alone.completions, together[place].completions, strict=True)
        assert all(largest_difference([a.logprobs], [b.logprobs]) < 1e-5 for a, b in pairs)


def test_max_tokens_only_cuts(subject: Subject) -> None:
    long = sampled(subject.engine.sample(prompts(5), FULL))
    one = SamplingSettings(completions_per_prompt=4, max_tokens=1)
    assert sampled(subject.engine.sample(prompts(5), one)) == [row[:1] for row in long]


def test_score_matches_at_any_length(subject: Subject) -> None:
    generator = random.Random(3)
    lengths = (1, 2, 17, BLOCK + 2, CONTEXT)
    sequences = [tuple(generator.randrange(VOCAB) for _ in range(length)) for length in lengths]
    scores = subject.engine.score(sequences)
    assert [len(row) for row in scores] == [length - 1 for length in lengths]
    assert largest_difference(scores, reference_scores(subject.model, sequences)) < TOLERANCE


def test_update_takes_new_weights_and_copies_them(subject: Subject) -> None:
    weights = perturbed(subject.model)
    newer = loaded(subject.model, weights)
    sequences = [prompt.token_ids for prompt in prompts(4)]
    subject.engine.update_weights(weights.items(), 3)
    for weight in weights.values():
        weight.zero_()
    groups = subject.engine.sample(prompts(6), FULL)
    assert {completion.weight_version for group in groups for completion in group.completions} == {3}
    assert worst_error(newer, groups, FULL) < TOLERANCE
    assert worst_error(subject.model, groups, FULL) > 0.1
    assert largest_difference(subject.engine.score(sequences), reference_scores(newer, sequences)) < TOLERANCE


def test_a_skipped_update_is_visible(subject: Subject) -> None:
    newer = loaded(subject.model, perturbed(subject.model))
    assert worst_error(newer, subject.engine.sample(prompts(6), FULL), FULL) > 0.1


def test_every_single_weight_arrives(subject: Subject) -> None:
    """Moving one tensor at a time: the scores always follow."""
    sequences = [prompt.token_ids for prompt in prompts(2)]
    names = [name for name, _ in subject.model.named_parameters()]
    for name in ("model.embed_tokens.weight", "lm_head.weight", "model.norm.weight", names[3], names[-2]):
        if name not in names:
            continue
        weights = {key: value.detach().clone() for key, value in subject.model.named_parameters()}
        weights[name] = perturbed(subject.model)[name]
        subject.engine.update_weights(weights.items(), 1)
        newer = loaded(subject.model, weights)
        assert largest_difference(subject.engine.score(sequences), reference_scores(newer, sequences)) < TOLERANCE, name


def test_tied_names_from_a_state_dict_are_taken(subject: Subject) -> None:
    weights = perturbed(subject.model)
    newer = loaded(subject.model, weights)
    assert "lm_head.weight" in newer.state_dict()
    subject.engine.update_weights(newer.state_dict().items(), 2)
    assert worst_error(newer, subject.engine.sample(prompts(3), FULL), FULL) < TOLERANCE


BLOCKS = ["model.layers.0.self_attn.", "model.layers.1.mlp.", "model.layers.0.mlp.", "model.embed_tokens.", "lm_head."]


def linear(model: torch.nn.Module, block: str) -> dict[str, torch.Tensor]:
    """Checkpoint names and values of the linear layers (or the one matrix) of a block."""
    return {name: weight.detach() for name, weight in model.named_parameters() if name.startswith(block)}


def test_a_partial_update_moves_what_it_names_and_nothing_else(subject: Subject) -> None:
    """Blocks one after another, each on top of the ones before; a full update in between does no harm."""
    sequences = [prompt.token_ids for prompt in prompts(3)]
    newer, state = perturbed(subject.model), {}
    for version, block in enumerate([BLOCKS[0], BLOCKS[1], BLOCKS[0], *BLOCKS[2:]], start=1):
        given = {name: newer[name] * (1 + 0.1 * version) for name in linear(subject.model, block)}
        if block == "lm_head." and subject.tied:
            assert given == {}
        subject.engine.update_weights(given.items(), version, partial=True)
        state |= {name: weight.clone() for name, weight in given.items()}
        for weight in given.values():
            weight.zero_()
        model = loaded(subject.model, dict(subject.model.named_parameters()) | state)
        assert largest_difference(subject.engine.score(sequences), reference_scores(model, sequences)) < TOLERANCE
    groups = subject.engine.sample(prompts(4), FULL)
    assert worst_error(model, groups, FULL) < TOLERANCE
    assert {completion.weight_version for group in groups for completion in group.completions} == {6}
    assert worst_error(subject.model, groups, FULL) > 0.1
    subject.engine.update_weights(list(newer.items()), 7)
    whole = loaded(subject.model, newer)
    assert largest_difference(subject.engine.score(sequences), reference_scores(whole, sequences)) < TOLERANCE


def test_an_empty_partial_update_changes_the_version_alone(subject: Subject) -> None:
    before = sampled(subject.engine.sample(prompts(3), FULL))
    subject.engine.update_weights([], 4, partial=True)
    groups = subject.engine.sample(prompts(3), FULL)
    assert sampled(groups) == before and groups[0].completions[0].weight_version == 4


def test_no_prefix_outlives_its_weights(subject: Subject) -> None:
    asked = prompts(2, shortest=2 * BLOCK + 20, longest=2 * BLOCK + 30)
    before = subject.engine.sample(asked, FULL)
    weights = perturbed(subject.model)
    subject.engine.update_weights(weights.items(), 1)
    assert worst_error(loaded(subject.model, weights), subject.engine.sample(asked, FULL), FULL) < TOLERANCE
    subject.engine.update_weights(list(subject.model.named_parameters()), 0)
    assert subject.engine.sample(asked, FULL) == before


def test_more_completions_than_fit_at_once(subject: Subject) -> None:
    settings = SamplingSettings(completions_per_prompt=40, max_tokens=4)
    groups = subject.engine.sample(prompts(3), settings)
    assert [len(group.completions) for group in groups] == [40, 40, 40]
    assert worst_error(subject.model, groups[2:], settings) < TOLERANCE


def test_the_trainer_s_process_is_left_alone(subject: Subject) -> None:
    torch.manual_seed(11)
    np.random.seed(11)
    random.seed(11)
    wanted = (torch.rand(3), np.random.rand(3), [random.random() for _ in range(3)], torch.get_num_threads())
    torch.manual_seed(11)
    np.random.seed(11)
    random.seed(11)
    subject.engine.sample(prompts(4), FULL)
    subject.engine.score([(3, 4, 5)])
    found = (torch.rand(3), np.random.rand(3), [random.random() for _ in range(3)], torch.get_num_threads())
    assert torch.equal(wanted[0], found[0]) and (wanted[1] == found[1]).all() and wanted[2:] == found[2:]
    torch.set_num_threads(wanted[3] + 1)
    assert torch.get_num_threads() == wanted[3] + 1
    torch.set_num_threads(wanted[3])


def test_bad_requests_are_refused(subject: Subject) -> None:
    (prompt,) = prompts(1)
    long = Prompt(problem_id="long", token_ids=(2,) * (CONTEXT - 5), seed=0)
    with pytest.raises(ValueError, match="'long' has 315 tokens"):
        subject.engine.sample([prompt, long], FULL)
    with pytest.raises(ValueError, match="temperature=-1"):
        subject.engine.sample([prompt], SamplingSettings(completions_per_prompt=1, max_tokens=1, temperature=-1.0))
    with pytest.raises(ValueError, match=r"min_p=1\.5: must be from 0"):
        subject.engine.sample([prompt], SamplingSettings(completions_per_prompt=1, max_tokens=1, min_p=1.5))
    with pytest.raises(ValueError, match="sequence 0 has 321 tokens"):
        subject.engine.score([(2,) * (CONTEXT + 1)])
    assert subject.engine.sample([], FULL) == []
    assert subject.engine.score([]) == []


def test_sleep_and_wake_keep_the_weights(subject: Subject) -> None:
    before = subject.engine.sample(prompts(2), FULL)
    subject.engine.sleep()
    subject.engine.sleep()
    subject.engine.wake()
    subject.engine.wake()
    assert subject.engine.sample(prompts(2), FULL) == before


def last_step(group: Group) -> int:
    return max(len(completion.token_ids) for completion in group.completions)


@pytest.mark.parametrize("count", [1, 5, 11, 12])
def test_the_first_groups_are_those_of_the_earliest_last_token(subject: Subject, count: int) -> None:
    """All fit at once, so a step of the engine is a token of each; ties go by the order of the prompts."""
    asked = prompts(12)
    whole = subject.engine.sample(asked, FULL)
    order = sorted(range(12), key=lambda place: (last_step(whole[place]), place))
    found = subject.engine.sample_first(asked, FULL, count)
    assert [place for place, group in enumerate(found.groups) if group is not None] == sorted(order[:count])
    assert all(group is None or group == other for group, other in zip(found.groups, whole, strict=True))
    stop = last_step(whole[order[count - 1]])
    lost = [completion for place in order[count:] for completion in whole[place].completions]
    assert found.tokens_discarded == sum(min(stop, len(completion.token_ids)) for completion in lost)


def test_stopping_early_leaves_nothing_behind(subject: Subject) -> None:
    before = subject.engine.sample(prompts(6), FULL)
    first = subject.engine.sample_first(prompts(12), FULL, 2)
    if subject.engine.name == "vllm":
        kept = subject.engine._engine.output_processor  # type: ignore[attr-defined]
        assert not kept.request_states and not kept.parent_requests and not kept.external_req_ids
    assert subject.engine.sample(prompts(6), FULL) == before
    assert subject.engine.sample_first(prompts(12), FULL, 2) == first
    subject.engine.update_weights(list(perturbed(subject.model).items()), 5)
    newer = [group for group in subject.engine.sample_first(prompts(12), FULL, 2).groups if group is not None]
    assert len(newer) == 2 and newer[0].completions[0].weight_version == 5
    assert worst_error(loaded(subject.model, perturbed(subject.model)), newer, FULL) < TOLERANCE


def test_the_first_of_more_than_fit_at_once(subject: Subject) -> None:
    """64 completions at once: 40 of one prompt leave no room for the whole next group."""
    settings = SamplingSettings(completions_per_prompt=40, max_tokens=4)
    found = subject.engine.sample_first(prompts(3), settings, 1)
    assert sum(group is not None for group in found.groups) == 1
    whole = subject.engine.sample(prompts(3), settings)
    assert all(group is None or sampled([group]) == sampled([w]) for group, w in zip(found.groups, whole, strict=True))
    assert found == subject.engine.sample_first(prompts(3), settings, 1)


def test_a_count_that_cannot_be_had_is_refused(subject: Subject) -> None:
    for count in (0, 4):
        with pytest.raises(ValueError, match=f"count={count}: valid is 1 to 3"):
            subject.engine.sample_first(prompts(3), FULL, count)
