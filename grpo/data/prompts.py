"""Between problems and token ids: the chat template, the length check, and decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grpo.types import Message, Problem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LISTED_FAULTS = 10


class PromptTooLongError(ValueError):
    """A problem does not fit the context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """A problem that was left out."""

    problem_id: str
    reason: str


class PromptEncoder:
    """Token ids of prompts and demonstrations with one tokenizer; each special token comes in once."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        system_prompt: str | None,
        context: int,
        max_tokens: int,
        end_token_ids: Sequence[int] | None = None,
        template: str | None = None,
    ) -> None:
        """`context` and `max_tokens` (of a completion, its end included) are in tokens.

        `end_token_ids` are the ids that end a completion, the tokenizer's end-of-sequence token when None; the first
        one ends demonstrations. `template` is plain text with `{prompt}` in it, for the chat template's place.

        Raises:
            ValueError: no token ends a completion, or `max_tokens` leaves no room for a prompt.
        """
        ends = tuple(end_token_ids) if end_token_ids is not None else (tokenizer.eos_token_id,)
        if not ends or any(not isinstance(end, int) for end in ends):
            raise ValueError(f"end-of-sequence ids {ends}: the tokenizer needs an eos_token, or give end_token_ids")
        if not 0 < max_tokens < context:
            raise ValueError(f"rollout.max_tokens {max_tokens} must be positive and below the context of {context}")
        self._tokenizer = tokenizer
        self._system_prompt = system_prompt
        self._template = template
        self._context = context
        self._max_tokens = max_tokens
        self._ends: tuple[int, ...] = ends

    def encode(self, problem: Problem) -> tuple[int, ...]:
        """(T_prompt,) ids: the chat template with its generation prompt where the tokenizer has one, else plain text.

        A template of the run's own comes before both; it too is plain text.

        Raises:
            PromptTooLongError: the prompt and a completion of `max_tokens` exceed the context.
            ValueError: a second system message, or one that the template refuses; with a template of the run's own,
                more than one message.
        """
        ids = self._prompt_ids(problem)
        if len(ids) + self._max_tokens > self._context:
            raise PromptTooLongError(
                f"problem {problem.id!r}: a prompt of {len(ids)} tokens and a completion of {self._max_tokens} exceed "
                f"the context of {self._context}; lower rollout.max_tokens, take a model with a longer context, or "
                "leave the row out with data.on_bad_row=skip"
            )
        return ids

    def keep_fitting(
        self, problems: Sequence[Problem], on_bad_row: str, *, demonstrated: bool = False
    ) -> tuple[list[Problem], list[Misfit]]:
        """The problems that `encode` (`encode_demonstration` when `demonstrated`) takes, and those it does not.

        Raises:
            ValueError: some do not fit and `on_bad_row` is `fail` (the first ten are listed), or none fits.
        """
        encode = self.encode_demonstration if demonstrated else self.encode
        fitting: list[Problem] = []
        misfits: list[Misfit] = []
        for problem in problems:
            try:
                encode(problem)
            except PromptTooLongError as error:
                misfits.append(Misfit(problem_id=problem.id, reason=str(error)))
            else:
                fitting.append(problem)
        if misfits and (on_bad_row == "fail" or not fitting):
            listed = "\n".join(f"  {misfit.reason}" for misfit in misfits[:LISTED_FAULTS])
            raise ValueError(f"{len(misfits)} of {len(problems)} problems are too long:\n{listed}")
        return fitting, misfits

    def encode_demonstration(self, problem: Problem) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """(T_prompt,) and (T_completion,) ids of a worked solution, the latter with its end-of-sequence token.

        The two are tokenised apart, as sampling will meet them: the model continues the prompt's own tokens.

        Raises:
            PromptTooLongError: both together exceed the context.
            ValueError: the problem has no demonstration.
        """
        if problem.demonstration is None:
            raise ValueError(f"problem {problem.id!r} has no demonstration; set data.demonstration_column")
        prompt = self._prompt_ids(problem)
        completion = (*self._ids(problem.demonstration, add_special_tokens=False), self._ends[0])
        if len(prompt) + len(completion) > self._context:
            raise PromptTooLongError(
                f"problem {problem.id!r}: a prompt of {len(prompt)} tokens and a demonstration of {len(completion)} "
                f"exceed the context of {self._context}"
            )
        return prompt, completion

    def decode(self, ids: Sequence[int]) -> str:
        """Text of a completion, special tokens kept, except one final end-of-sequence token."""
        body = list(ids[:-1] if ids and ids[-1] in self._ends else ids)
        text = self._tokenizer.decode(body, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        assert isinstance(text, str)
        return text

    def encode_text(self, text: str) -> tuple[int, ...]:
        """(T,) ids of text in the middle of a completion: no special token is added, tags that are tokens are one."""
        return self._ids(text, add_special_tokens=False)

    def _prompt_ids(self, problem: Problem) -> tuple[int, ...]:
        if self._template is not None:
            return self._plain_ids(self._template.replace("{prompt}", _only_text(problem)))
        messages = self._messages(problem)
        if not self._tokenizer.chat_template:
            return self._plain_ids("\n\n".join(message["content"] for message in messages))
        # The template writes its special tokens itself, a beginning-of-sequence token too.
        text = self._rendered(problem, messages)
        return self._ids(text, add_special_tokens=False)

    def _plain_ids(self, text: str) -> tuple[int, ...]:
        ids = self._ids(text, add_special_tokens=True)
        # Some tokenizers also end what they encode; a prompt goes on.
        return ids[:-1] if len(ids) > 1 and ids[-1] == self._tokenizer.eos_token_id else ids

    def _rendered(self, problem: Problem, messages: list[Message]) -> str:
        import jinja2

        turns = [dict(message) for message in messages]
        try:
            text = self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        except jinja2.TemplateError as error:
            raise ValueError(f"problem {problem.id!r}: the model's chat template refuses it: {error}") from error
        assert isinstance(text, str)
        return text

    def _messages(self, problem: Problem) -> list[Message]:
        prompt = problem.prompt
        turns: list[Message] = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        if self._system_prompt is None:
            return turns
        if turns[0]["role"] == "system":
            raise ValueError(f"problem {problem.id!r} has a system message of its own; unset data.system_prompt")
        return [{"role": "system", "content": self._system_prompt}, *turns]

    def _ids(self, text: str, *, add_special_tokens: bool) -> tuple[int, ...]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=add_special_tokens)["input_ids"]
        begin = self._tokenizer.bos_token_id
        if add_special_tokens and begin is not None and ids[:2] == [begin, begin]:
            ids = ids[1:]  # the text already began with the token
        return tuple(ids)


def _only_text(problem: Problem) -> str:
    """The problem as one text, for a template with one place; raises ValueError for a conversation."""
    if isinstance(problem.prompt, str):
        return problem.prompt
    if len(problem.prompt) == 1 and problem.prompt[0]["role"] == "user":
        return problem.prompt[0]["content"]
    raise ValueError(
        f"problem {problem.id!r} is a conversation of {len(problem.prompt)} messages; data.prompt_template has room "
        "for one user message"
    )
