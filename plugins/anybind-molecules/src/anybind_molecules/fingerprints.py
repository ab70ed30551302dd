"""Fingerprints that rdkit computes: molecules to vectors, without weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from rdkit import Chem, rdBase
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

import anybind
from anybind.encoder_kit.batches import encode_in_batches, wrong_sample
from anybind_molecules.structures import read_molecule

SCALES: dict[str, Callable[[Any], Any]] = {"log1p": np.log1p, "sqrt": np.sqrt, "none": np.asarray}


class MorganCounts:
    """How often each surrounding of an atom occurs in a molecule, hashed to a fixed length.

    Surroundings reach up to ``radius`` bonds: the count form of Morgan fingerprints, ECFP4 for radius 2. Different
    surroundings may share a place. Counts are scaled, because a place that holds carbon chains would outweigh the
    rest otherwise.

    Source: Rogers and Hahn, "Extended-Connectivity Fingerprints", J. Chem. Inf. Model. 2010, 50, 742.

    Args:
        spec: The encoder's spec.
        dim: Length of the vectors; ``spec.dim`` if None.
        radius: Bonds that a surrounding reaches, 0 to 10.
        scale: ``log1p`` (log(1 + count)), ``sqrt``, or ``none``.
        chirality: Whether mirror images have different vectors.

    Raises:
        anybind.UsageError: there is no such scale.
    """

    def __init__(
        self,
        spec: anybind.EncoderSpec,
        *,
        dim: int = 1024,
        radius: int = 2,
        scale: str = "log1p",
        chirality: bool = False,
    ) -> None:
        if scale not in SCALES:
            raise anybind.UsageError(
                f"Encoder {spec.name} does not know that scale.", where=f"encoder {spec.name}, option scale",
                got=scale, expected=", ".join(SCALES),
            )  # fmt: skip
        self.spec = spec
        self._dim, self._scale = dim, SCALES[scale]
        self._generator = rdFingerprintGenerator.GetMorganGenerator(
            radius=radius, fpSize=dim, includeChirality=chirality
        )

    def encode(self, samples: Sequence[Chem.Mol]) -> torch.Tensor:
        """Describe molecules, in order. However a molecule is written, its vector is the same.

        Returns:
            (len(samples), dim) float32 tensor on the CPU, no value below 0.

        Raises:
            anybind.DataError: a sample is no valid molecule; ``where`` names its place.
        """
        return _fingerprints(self.spec.name, samples, self._counts, self._dim)

    def _counts(self, molecule: Chem.Mol) -> Any:
        return self._scale(self._generator.GetCountFingerprintAsNumPy(molecule).astype(np.float32))


class Maccs:
    """Which of the 166 public MACCS keys a molecule has: 1 or 0 for each key, key 1 first.

    Source: Durant, Leland, Henry and Nourse, "Reoptimization of MDL Keys for Use in Drug Discovery",
    J. Chem. Inf. Comput. Sci. 2002, 42, 1273.

    Args:
        spec: The encoder's spec, with ``dim`` 166.
    """

    def __init__(self, spec: anybind.EncoderSpec) -> None:
        self.spec = spec

    def encode(self, samples: Sequence[Chem.Mol]) -> torch.Tensor:
        """Describe molecules, in order.

        Returns:
            (len(samples), 166) float32 tensor of zeros and ones on the CPU.

        Raises:
            anybind.DataError: a sample is no valid molecule; ``where`` names its place.
        """
        return _fingerprints(self.spec.name, samples, _keys, self.spec.dim)


def _keys(molecule: Chem.Mol) -> Any:
    # rdkit counts the keys from 1; its bit 0 is never set.
    return np.array(list(rdMolDescriptors.GetMACCSKeysFingerprint(molecule))[1:], dtype=np.float32)


def _fingerprints(
    encoder: str, samples: Sequence[Any], describe: Callable[[Chem.Mol], Any], dim: int
) -> torch.Tensor:
    molecules = [_checked(encoder, row, sample) for row, sample in enumerate(samples)]

    def one(batch: list[Chem.Mol]) -> torch.Tensor:
        with rdBase.BlockLogs():
            return torch.from_numpy(np.stack([describe(molecule) for molecule in batch]))

    return encode_in_batches(molecules, one, batch_size=256, dim=dim)


def _checked(encoder: str, row: int, sample: Any) -> Chem.Mol:
    if not isinstance(sample, Chem.Mol):
        raise wrong_sample(encoder, row, got=type(sample).__name__, expected="rdkit.Chem.Mol")
    try:
        return read_molecule(sample)
    except anybind.DataError as error:
        raise wrong_sample(encoder, row, got=error.got, expected="a valid molecule with atoms") from error
