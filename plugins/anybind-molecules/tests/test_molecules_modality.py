"""The modality: what is read, what is refused and why, and a drawing that is safe to show."""

from __future__ import annotations

import base64
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from anybind_molecules import plugin
from anybind_molecules.modality import MAX_DRAWN, Molecule
from rdkit import Chem
from rdkit.Chem import AllChem

import anybind

MOLECULE = Molecule(plugin.anybind_modalities()[0])


def drawing(html: str) -> ElementTree.Element:
    data = html.partition("base64,")[2].partition('"')[0]
    return ElementTree.fromstring(base64.b64decode(data))


def test_smiles_becomes_a_molecule() -> None:
    aspirin = MOLECULE.load(" CC(=O)Oc1ccccc1C(=O)O\n")
    MOLECULE.check(aspirin)
    assert (aspirin.GetNumAtoms(), aspirin.GetRingInfo().NumRings()) == (13, 1)


@pytest.mark.parametrize(
    "written",
    ["OCC", "C(C)O", "[CH3][CH2][OH]", "[H]OCC", "[H]C([H])([H])C([H])([H])O[H]"],
)
def test_one_molecule_is_one_however_it_is_written(written: str) -> None:
    assert MOLECULE.load(written).ToBinary() == MOLECULE.load("CCO").ToBinary()


def test_an_rdkit_molecule_loses_hydrogens_coordinates_and_names() -> None:
    full = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    assert AllChem.EmbedMolecule(full, randomSeed=1) == 0
    full.SetProp("_Name", "ethanol")
    full.GetAtomWithIdx(0).SetProp("atomNote", "note")
    read = MOLECULE.load(full)
    assert read.ToBinary() == MOLECULE.load("CCO").ToBinary()
    assert (read.GetNumConformers(), list(read.GetPropNames(includePrivate=True))) == (0, [])
    assert full.GetNumConformers() == 1
    assert full.GetNumAtoms() == 9


def test_what_was_loaded_is_read_again_as_it_is() -> None:
    caffeine = MOLECULE.load("CN1C=NC2=C1C(=O)N(C(=O)N2C)C")
    assert MOLECULE.load(caffeine).ToBinary() == caffeine.ToBinary()
    assert MOLECULE.load(Chem.MolFromSmiles("CCO", sanitize=False)).ToBinary() == MOLECULE.load("CCO").ToBinary()


@pytest.mark.parametrize(
    ("source", "got"),
    [
        ("C(", "not written as SMILES"),
        ("ethanol", "not written as SMILES"),
        ("CCO ethanol", "not written as SMILES"),
        ("CC |$<b>x</b>;$|", "not written as SMILES"),
        ("C\x00C", "not written as SMILES"),
        ("C\ud83d", "not written as SMILES"),
        ("CC(C)(C)(C)C", "Explicit valence for atom # 1 C"),
        ("c1cccc1", "Can't kekulize mol"),
        ("", "no atoms"),
        ("  ", "no atoms"),
        ("C" * 20_001, "20001 characters"),
        (b"CCO", "bytes"),
        (None, "NoneType"),
        (Chem.Mol(), "no atoms"),
        (Chem.MolFromSmiles("CC(C)(C)(C)C", sanitize=False), "Explicit valence for atom # 1 C"),
    ],
)
def test_what_is_no_molecule_is_refused_and_rdkit_keeps_silent(
    source: Any, got: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(anybind.DataError) as caught:
        MOLECULE.load(source)
    assert got in str(caught.value.got)
    assert caught.value.expected
    assert capfd.readouterr() == ("", "")


def test_rdkit_logs_as_before_afterwards() -> None:
    """In a process of its own: pytest takes the log for itself."""
    code = """
from anybind_molecules.structures import read_molecule
import anybind
from rdkit import Chem
try:
    read_molecule("CC(C)(C)(C)C")
except anybind.DataError:
    print("refused", flush=True)
Chem.MolFromSmiles("C(")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"
    assert "Explicit valence" not in done.stderr
    assert "SMILES Parse Error" in done.stderr


@pytest.mark.parametrize("wrong", ["CCO", None, Chem.Mol(), Chem.MolFromSmiles("CC(C)(C)(C)C", sanitize=False)])
def test_check_refuses_what_is_no_valid_molecule(wrong: Any) -> None:
    with pytest.raises(anybind.DataError):
        MOLECULE.check(wrong)


def test_preview_is_a_drawing_that_stands_alone() -> None:
    html = MOLECULE.preview(MOLECULE.load("C/C=C/C#N"))
    assert html.startswith("<img ")
    assert html.count("<") == html.count(">") == 1
    assert 'alt="C/C=C/C#N"' in html
    svg = drawing(html)
    assert svg.tag.endswith("}svg")
    assert sum(part.tag.endswith("}path") for part in svg.iter()) >= 4
    assert not [part.tag for part in svg.iter() if part.tag.endswith(("}script", "}image", "}a", "}use"))]


def test_preview_of_other_molecules_differs() -> None:
    others = ("CCO", "CCN", "C1CC1", "[2H]O[2H]", "*C", "[Na+].[Cl-]")
    shown = {MOLECULE.preview(MOLECULE.load(smiles)) for smiles in others}
    assert len(shown) == 6


def test_nothing_that_a_molecule_carries_gets_into_the_page() -> None:
    molecule = Chem.MolFromSmiles("CC")
    for name in ("_Name", "_MolFileComments"):
        molecule.SetProp(name, "<script>x</script>")
    for name in ("atomNote", "atomLabel", "_displayLabel", "molFileAlias"):
        molecule.GetAtomWithIdx(0).SetProp(name, "<script>x</script>")
    assert MOLECULE.preview(molecule) == MOLECULE.preview(MOLECULE.load("CC"))
    assert 'alt="[CH4]-&gt;[Fe]"' in MOLECULE.preview(MOLECULE.load("C->[Fe]"))


def test_a_huge_molecule_is_shown_as_shortened_text() -> None:
    html = MOLECULE.preview(MOLECULE.load("C" * (MAX_DRAWN + 100)))
    assert html.startswith("<code>CCC")
    assert "…" in html
    assert len(html) < 400
