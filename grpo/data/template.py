"""The written form of a worked solution: what supervised stages imitate and `think_answer_format` rewards."""

from __future__ import annotations

TAGS = ("<think>", "</think>", "<answer>", "</answer>")


def demonstration(reasoning: str, answer: str) -> str:
    """`<think>{reasoning}</think><answer>{answer}</answer>`, outer whitespace of both removed.

    Raises:
        ValueError: one of the two is empty or contains a tag of the template.
    """
    parts = {"reasoning": reasoning.strip(), "answer": answer.strip()}
    for name, text in parts.items():
        if not text:
            raise ValueError(f"the {name} is empty")
        found = [tag for tag in TAGS if tag in text]
        if found:
            raise ValueError(f"the {name} contains the template's {found[0]}")
    return f"<think>{parts['reasoning']}</think><answer>{parts['answer']}</answer>"
