"""What of a config is told to the public."""

from __future__ import annotations

import pytest

from grpo.publish.public import public


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("Qwen/Qwen2.5-1.5B", "Qwen/Qwen2.5-1.5B"),
        ("/home/somebody/models/base/", "base"),
        ("rewards/mine.py:near", "mine.py:near"),
        ("org/teacher@http://10.0.0.7:8000/v1", "org/teacher"),
        ("/models/teacher@https://inside.example/v1", "teacher"),
        ("somebody@example.org", "somebody@example.org"),  # no endpoint
        ("ask me@http://place", "ask me@http://place"),  # a text, not a model
    ],
)
def test_paths_and_endpoints_stay_private(value: str, told: str) -> None:
    assert public({"key": [value]}) == {"key": [told]}
