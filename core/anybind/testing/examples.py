"""What a plugin gives the kit to try its parts on. Each is returned by a function that the hook names.

That function is called with an empty folder, in which it may write what the example needs: a tiny checkpoint, a few
rows of data in the true layout. It must need no network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class EncoderExample:
    """An encoder small enough to be tried, and what it reads.

    Attributes:
        samples: At least 3 different samples, or sources of them that the encoder's modality can load. Make them of
            different lengths or sizes where there are such: that is what padding gets wrong.
        options: Options to build the encoder with, e.g. the folder of a tiny checkpoint.
        wrong: Something that is no sample of its modality.
        dim: Length of the vectors of a tiny checkpoint, where it differs from the published one.
        tolerance: How far a value may lie from what it should equal, as a share of the largest absolute value of all
            (of 1 where that is smaller): rounding differs with the size of a batch.
    """

    samples: Sequence[Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    wrong: Any = field(default_factory=object)
    dim: int | None = None
    tolerance: float = 1e-5


@dataclass(frozen=True)
class DatasetExample:
    """A data set small enough to be read from end to end.

    Attributes:
        options: Options to build it with, plain values as they would stand in a graph YAML.
        kinds: Modality -> its kind, for modalities that no plugin brings and a graph YAML would declare.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ModalityExample:
    """Samples of a modality.

    Attributes:
        sources: At least 1 source of a sample. Put in texts or names that are not safe in HTML, if it has such.
        broken: Sources that cannot be loaded: a file that is missing, one that is cut off.
    """

    sources: Sequence[Any]
    broken: Sequence[Any] = ()
