"""The encoders: against rdkit called on its own, one vector for one molecule, and what goes with an encoder."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from anybind_molecules import plugin
from anybind_molecules.fingerprints import Maccs, MorganCounts
from rdkit import Chem
from rdkit.Chem import AllChem, MACCSkeys

import anybind

MORGAN, MACCS = plugin.anybind_encoders()
SMILES = (
    "CCO",
    "CC(=O)Oc1ccccc1C(=O)O",
    "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O",
    "[Na+].[Cl-]",
    "C" * 60,
    "O=C(O)CCCC[C@@H]1SC[C@@H]2NC(=O)N[C@@H]21",
)


@pytest.fixture(params=["morgan-counts", "maccs"])
def encoder(request: pytest.FixtureRequest) -> Any:
    return MorganCounts(MORGAN) if request.param == "morgan-counts" else Maccs(MACCS)


def molecules(*smiles: str) -> list[Chem.Mol]:
    return [Chem.MolFromSmiles(each) for each in smiles or SMILES]


@pytest.mark.parametrize(("dim", "radius"), [(1024, 2), (256, 3), (2048, 0)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_counts_are_those_of_rdkits_older_function(dim: int, radius: int) -> None:
    """Its counts come unhashed, under 32-bit codes; they are folded here."""
    found = MorganCounts(MORGAN, dim=dim, radius=radius, scale="none").encode(molecules())
    expected = np.zeros((len(SMILES), dim), np.float32)
    for row, molecule in enumerate(molecules()):
        for code, count in AllChem.GetMorganFingerprint(molecule, radius).GetNonzeroElements().items():
            expected[row, code % dim] += count
    assert expected.sum() > 60
    np.testing.assert_array_equal(found.numpy(), expected)


def test_maccs_keys_are_those_of_rdkits_patterns() -> None:
    """Counted one by one from the patterns, not by the compiled function that the encoder calls."""
    found = Maccs(MACCS).encode(molecules()).numpy()
    expected = np.zeros((len(SMILES), 167), np.float32)
    for row, molecule in enumerate(molecules()):
        expected[row, list(MACCSkeys._pyGenMACCSKeys(molecule).GetOnBits())] = 1
    assert expected.sum() > 100
    np.testing.assert_array_equal(found, expected[:, 1:])


def test_scales() -> None:
    counts = MorganCounts(MORGAN, scale="none").encode(molecules()).double()
    torch.testing.assert_close(MorganCounts(MORGAN).encode(molecules()).double(), counts.log1p())
    torch.testing.assert_close(MorganCounts(MORGAN, scale="sqrt").encode(molecules()).double(), counts.sqrt())
    assert counts.max() > 50


def test_one_molecule_has_one_vector_however_it_is_written(encoder: Any) -> None:
    generator = random.Random(0)
    for molecule in molecules():
        order = list(range(molecule.GetNumAtoms()))
        generator.shuffle(order)
        shuffled = Chem.RenumberAtoms(molecule, order)
        kekulised = Chem.MolFromSmiles(Chem.MolToSmiles(molecule, kekuleSmiles=True, canonical=False))
        vectors = encoder.encode([molecule, shuffled, kekulised, Chem.AddHs(molecule)])
        assert torch.equal(vectors, vectors[:1].expand_as(vectors))


def test_like_molecules_are_closer_than_unlike_ones() -> None:
    ibuprofen, naproxen, glucose = MorganCounts(MORGAN).encode(
        molecules("CC(C)Cc1ccc(cc1)C(C)C(=O)O", "COc1ccc2cc(ccc2c1)C(C)C(=O)O", "OCC1OC(O)C(O)C(O)C1O")
    )
    near, far = (torch.cosine_similarity(ibuprofen, other, dim=0) for other in (naproxen, glucose))
    assert near > far + 0.2


def test_mirror_images_differ_only_when_asked() -> None:
    pair = molecules("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O")
    blind, seeing = (MorganCounts(MORGAN, chirality=seen).encode(pair) for seen in (False, True))
    assert torch.equal(blind[0], blind[1])
    assert not torch.equal(seeing[0], seeing[1])


def test_shape_order_and_what_stands_beside(encoder: Any) -> None:
    together = encoder.encode(molecules())
    assert together.shape == (len(SMILES), encoder.spec.dim)
    assert together.dtype == torch.float32
    assert torch.equal(torch.cat([encoder.encode([each]) for each in molecules()]), together)
    assert torch.equal(encoder.encode(molecules()[::-1]), together.flip(0))
    assert encoder.encode([]).shape == (0, encoder.spec.dim)
    assert MorganCounts(MORGAN, dim=64).encode([]).shape == (0, 64)
    assert MorganCounts(MORGAN, dim=64).encode(molecules()).shape == (len(SMILES), 64)


def test_samples_are_left_as_they_are(encoder: Any) -> None:
    sample = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    before = sample.ToBinary()
    encoder.encode([sample])
    assert sample.ToBinary() == before


@pytest.mark.parametrize("wrong", ["CCO", None, Chem.Mol(), Chem.MolFromSmiles("CC(C)(C)(C)C", sanitize=False)])
def test_what_is_no_molecule_is_refused_by_its_place(
    encoder: Any, wrong: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(anybind.DataError) as caught:
        encoder.encode([*molecules("CCO", "CC"), wrong])
    assert caught.value.where == "sample 2"
    assert encoder.spec.name in caught.value.what
    assert capfd.readouterr().err == ""


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(anybind.UsageError) as caught:
        MorganCounts(MORGAN, scale="log10")
    assert (caught.value.got, caught.value.expected) == ("log10", "log1p, sqrt, none")
