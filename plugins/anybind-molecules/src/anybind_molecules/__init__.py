"""Molecules as a modality of anybind: SMILES in, rdkit fingerprints out."""
