"""Names of features in, a fixed orthogonal map of theirs out: without training, and a person can read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

USUAL = 0.5  # where a feature stands that is as usual for this person
FAR = 10.0  # standard deviations; beyond lies no brain


def chosen(names: Sequence[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the names that the patterns (exact, or with wildcards) choose, in order of the patterns.

    Wildcards do not reach physical values: those have no usual value and no spread to be standardised by.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        found |= dict.fromkeys(
            name for name in names if name == pattern or (fnmatchcase(name, pattern) and not name.startswith("raw."))
        )
    return tuple(found)


def orthogonal(n_features: int, n_outputs: int, seed: int) -> Array:
    """Return W (n_outputs, n_features), the same for the same seed, from the QR decomposition of a normal matrix.

    Uncorrelated inputs of variance 1 give outputs of variance 1 on average; these are uncorrelated too where there are
    no more of them than inputs (the rows are orthonormal), else the columns are orthogonal.  The signs are those that
    make the rotation uniformly distributed: Mezzadri (2007), Notices of the AMS 54:592-604.
    """
    drawn = np.random.default_rng(seed).normal(size=(max(n_features, n_outputs), min(n_features, n_outputs)))
    q, r = np.linalg.qr(drawn)
    q = q * np.sign(np.diagonal(r))
    return np.asarray(q.T if n_features >= n_outputs else q * np.sqrt(n_outputs / n_features))


@dataclass(frozen=True, slots=True)
class Projection:
    """W · (features − 0.5) / spread."""

    names: tuple[str, ...]
    take: npt.NDArray[np.intp]  # where they stand among all features
    matrix: Array  # (n_outputs, n_features)
    spread: float  # of a feature around its usual value

    def inputs(self, values: npt.NDArray[np.floating]) -> Array:
        """Return the standardised features, (n_features,), from the values of all features."""
        return np.asarray((values.take(self.take) - USUAL).clip(-FAR * self.spread, FAR * self.spread) / self.spread)

    def statement(self, outputs: Sequence[str], most: int = 3) -> list[str]:
        """Return, for people, what moves each output most: `z.0 by +alpha -beta +iaf`."""
        lines = []
        for output, row in zip(outputs, self.matrix, strict=False):
            first = np.argsort(-np.abs(row), kind="stable")[:most]
            lines.append(f"{output} by " + " ".join(f"{'+' if row[i] > 0 else '-'}{self.names[i]}" for i in first))
        return lines
