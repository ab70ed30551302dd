"""The state of this process that an encoder must leave as it found it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

from anybind.testing.contents import contents


@dataclass(frozen=True)
class Surroundings:
    """Global state, as values that can be compared."""

    python_random: Any
    numpy_random: Any
    torch_random: Any
    gradients: Any
    default_dtype: Any
    threads: Any

    @classmethod
    def now(cls) -> Surroundings:
        """As it is."""
        import numpy as np
        import torch

        return cls(
            python_random=random.getstate(),
            numpy_random=contents(np.random.get_state()),
            torch_random=contents(torch.random.get_rng_state()),
            gradients=torch.is_grad_enabled(),
            default_dtype=torch.get_default_dtype(),
            threads=torch.get_num_threads(),
        )

    @classmethod
    @contextmanager
    def watched(cls) -> Iterator[list[str]]:
        """A list that, at the end, holds the names of what has changed; all of it is put back."""
        import numpy as np
        import torch

        states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
        # Whoever has seeded a generator before would go unseen when seeding it the same way again.
        random.random(), np.random.random(), torch.rand(1)  # noqa: S311 nothing depends on these
        before = cls.now()
        changed: list[str] = []
        try:
            yield changed
        finally:
            after = cls.now()
            names = [field.name for field in fields(cls)]
            changed += [name for name in names if getattr(before, name) != getattr(after, name)]
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.random.set_rng_state(states[2])
            torch.set_grad_enabled(before.gradients)
            torch.set_default_dtype(before.default_dtype)
            torch.set_num_threads(before.threads)
