"""Molecules made of SMILES and of rdkit's own objects, all in one form."""

from __future__ import annotations

from typing import Any

from rdkit import Chem, rdBase

import anybind

MAX_CHARACTERS = 20_000
"""Longer SMILES are refused before they are read."""

_EXPECTED = "the SMILES of a molecule, such as CCO for ethanol"


def read_molecule(source: Any) -> Chem.Mol:
    """The molecule of a SMILES or of an rdkit Mol, in rdkit's canonical form.

    One molecule comes out the same however it was written: atoms are in canonical order, hydrogens that follow
    from the rest are left out, and names, notes and coordinates are dropped.

    Raises:
        anybind.DataError: it is neither, empty, longer than MAX_CHARACTERS, or no valid molecule. ``got`` says why.
    """
    if isinstance(source, Chem.Mol):
        return _parsed(_written(source))
    if not isinstance(source, str):
        raise _refusal(type(source).__name__, "SMILES (str) or rdkit.Chem.Mol")
    return _parsed(Chem.MolToSmiles(_parsed(source)))


def _written(molecule: Chem.Mol) -> str:
    """The canonical SMILES of a Mol, which may come in any state."""
    with rdBase.BlockLogs():
        try:
            checked = Chem.Mol(molecule)
            Chem.SanitizeMol(checked)
            return str(Chem.MolToSmiles(Chem.RemoveHs(checked)))
        except (ValueError, RuntimeError) as error:
            raise _refusal(_first_line(error), "a molecule with valid valences") from error


def _parsed(smiles: str) -> Chem.Mol:
    if len(smiles) > MAX_CHARACTERS:
        raise _refusal(f"{len(smiles)} characters", f"at most {MAX_CHARACTERS}")
    text = smiles.strip()
    with rdBase.BlockLogs():
        molecule = _attempt(text, sanitize=True)
        if molecule is None:
            raise _refusal(f"{text!r}: {_reason(text)}", _EXPECTED)
    if not molecule.GetNumAtoms():
        raise _refusal("no atoms", _EXPECTED)
    return molecule


def _attempt(text: str, *, sanitize: bool) -> Chem.Mol | None:
    """None where rdkit does not understand ``text``. Names and extensions after the SMILES are not understood."""
    reading: Any = Chem.SmilesParserParams()
    reading.allowCXSMILES = False
    reading.parseName = False
    reading.sanitize = sanitize
    try:
        return Chem.MolFromSmiles(text, reading)
    except (ValueError, RuntimeError):  # half a character, or a failed check inside rdkit
        return None


def _reason(text: str) -> str:
    """Why rdkit does not take a SMILES: rdkit only logs it."""
    molecule = _attempt(text, sanitize=False)
    if molecule is None:
        return "not written as SMILES"
    problems = [problem.Message() for problem in Chem.DetectChemistryProblems(molecule)]
    return problems[0] if problems else "no possible molecule"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]


def _refusal(got: str, expected: str) -> anybind.DataError:
    return anybind.DataError("a molecule cannot be read", got=got, expected=expected)
