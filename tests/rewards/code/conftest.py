from __future__ import annotations

import pytest

from grpo.rewards.code.sandbox import Sandbox, sandbox_problem


@pytest.fixture(scope="session")
def isolation() -> None:
    """Skips where the machine cannot isolate programs."""
    problem = sandbox_problem()
    assert problem is None or "was not isolated" not in problem, problem  # a hole is no reason to skip
    if problem is not None:
        pytest.skip(f"no sandbox: {problem}")


@pytest.fixture
def sandbox(isolation: None) -> Sandbox:
    return Sandbox()
