"""py3langid's naive Bayes model, asked word by word.

The package (BSD-3) ships its model in its wheel: an automaton over UTF-8 bytes that emits features, and for each
feature log-probabilities per language. The package itself scores a whole text; here one walk over the text gives every
word the features that end in it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float32]]


class WordScorer:
    """Log-likelihood of each word in each of a few languages."""

    def __init__(self, languages: Sequence[str]) -> None:
        model = _identifier()
        self.languages = tuple(languages)
        columns = [model.nb_classes.index(name) for name in languages]
        self._table: Floats = np.ascontiguousarray(model.nb_ptc[:, columns].astype(np.float32))
        self._next = model.tk_nextmove
        self._row = [row << 8 for row in model.tk_row]
        self._output = model.tk_output

    def scores(self, words: Sequence[str]) -> Floats:
        """(N words, L languages) log-likelihoods up to a constant per word; zero for a word without features."""
        next_state, row, output = self._next, self._row, self._output
        features: list[int] = []
        ends: list[int] = []
        append = features.append
        state = next_state[row[0] + 32]
        for word in words:
            for byte in word.encode("utf-8", "surrogatepass"):
                state = next_state[row[state] + byte]
                feature = output[state]
                if feature >= 0:
                    append(feature)
            state = next_state[row[state] + 32]
            feature = output[state]
            if feature >= 0:
                append(feature)
            ends.append(len(features))
        total = np.zeros((len(features) + 1, len(self.languages)), dtype=np.float64)
        np.cumsum(self._table[features], axis=0, out=total[1:])
        stops = np.asarray([0, *ends])
        scores: Floats = (total[stops[1:]] - total[stops[:-1]]).astype(np.float32)
        return scores


@functools.cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # a second to load: only when a text is scored

    return LanguageIdentifier.from_model_file(MODEL_FILE)


@functools.cache
def word_scorer(languages: tuple[str, ...]) -> WordScorer:
    """The scorer for these languages, loaded once per process."""
    return WordScorer(languages)
