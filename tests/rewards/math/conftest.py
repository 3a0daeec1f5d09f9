from __future__ import annotations

from collections.abc import Iterator

import pytest

from grpo.rewards.math.pool import Pool
from tests.rewards.math.pools import HARMFUL


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """Two workers around the harmful judge, for all tests of a file: what one of them does must not reach the next."""
    made = Pool(HARMFUL, workers=2)
    yield made
    made.close()


@pytest.fixture
def own_pool() -> Iterator[Pool]:
    """The same for one test that changes the environment, or kills or closes."""
    made = Pool(HARMFUL, workers=2)
    yield made
    made.close()
