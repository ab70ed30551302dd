"""What anybind-molecules adds: the modality ``molecule`` and two encoders of it."""

from __future__ import annotations

import anybind

ANYBIND_HOOK_API = 1


@anybind.hookimpl
def anybind_modalities() -> list[anybind.ModalitySpec]:
    """``molecule``."""
    return [
        anybind.ModalitySpec(
            name="molecule",
            factory="anybind_molecules.modality:Molecule",
            description="Small molecule, as SMILES or rdkit's Mol.",
        )
    ]


@anybind.hookimpl
def anybind_encoders() -> list[anybind.EncoderSpec]:
    """``morgan-counts`` and ``maccs``."""
    return [_morgan_counts(), _maccs()]


@anybind.hookimpl
def anybind_examples() -> list[anybind.ExampleSpec]:
    """Molecules to try the modality and each encoder on."""
    encoders = [
        anybind.ExampleSpec(kind="encoder", name=spec.name, factory="anybind_molecules.examples:for_encoders")
        for spec in anybind_encoders()
    ]
    modality = anybind.ExampleSpec(
        kind="modality", name="molecule", factory="anybind_molecules.examples:for_modality"
    )
    return [modality, *encoders]


def _morgan_counts() -> anybind.EncoderSpec:
    option = anybind.OptionSpec
    return anybind.EncoderSpec(
        name="morgan-counts",
        modality="molecule",
        dim=1024,
        factory="anybind_molecules.fingerprints:MorganCounts",
        weights="none",
        revision="1",
        licence="BSD-3-Clause",
        options={
            "dim": option(
                type="int", default=1024, minimum=16, maximum=65536, description="Length the counts are hashed to."
            ),
            "radius": option(
                type="int", default=2, minimum=0, maximum=10, description="Bonds that an atom's surroundings reach."
            ),
            "scale": option(
                type="str", default="log1p", choices=("log1p", "sqrt", "none"), description="What is done to counts."
            ),
            "chirality": option(
                type="bool", default=False, description="Whether mirror images have different vectors."
            ),
        },
        description="How often each surrounding of an atom occurs (ECFP counts), hashed; nothing is learned.",
    )


def _maccs() -> anybind.EncoderSpec:
    return anybind.EncoderSpec(
        name="maccs",
        modality="molecule",
        dim=166,
        factory="anybind_molecules.fingerprints:Maccs",
        weights="none",
        revision="1",
        licence="BSD-3-Clause",
        description="Which of 166 well-known pieces (MACCS keys) a molecule has; nothing is learned.",
    )
