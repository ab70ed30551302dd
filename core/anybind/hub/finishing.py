"""Making a saved binder's folder ready for a repository: its card names it, and the licence that was chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anybind.artifact import FORECAST, METRICS, MOMENTS, Config, Saved, read_artifact, write_artifact
from anybind.forecasting.basis_text import parsed_basis
from anybind.moments_file import moments_from
from anybind.report.card import card_texts
from anybind.report.card_facts import CardFacts


def finish(folder: str | Path, repo_id: str, licence: str | None = None) -> Saved:
    """Write the card of a folder again, where the repository or the licence changes it.

    Args:
        folder: What ``save_pretrained`` wrote.
        repo_id: The repository it is for.
        licence: As the Hub names it; the one chosen before if None.

    Returns:
        What the folder now holds.

    Raises:
        ArtifactError: it is no whole artifact, or cannot be written.
    """
    saved = read_artifact(folder)
    config = saved.config
    chosen = licence or config.licence
    fewest = None if saved.moments is None else moments_from(saved.moments, Path(folder) / MOMENTS).fewest_rows
    forecast = saved.texts.get(FORECAST)
    basis = None if forecast is None else parsed_basis(forecast, Path(folder) / FORECAST)
    facts = CardFacts(config.method, config.spaces, config.training, saved.texts.get(METRICS), chosen, repo_id, fewest,
                      basis)  # fmt: skip
    texts = {**saved.texts, **card_texts(facts)}
    if texts == saved.texts and chosen == config.licence:
        return saved
    write_artifact(folder, _header(config) | {"licence": chosen}, saved.tensors, texts, saved.moments)
    return read_artifact(folder)


def copy_artifact(source: str | Path, folder: str | Path) -> Path:
    """The same artifact in another folder, byte for byte; an older one there is replaced.

    Raises:
        ArtifactError: the source is no whole artifact, or the folder holds files of something else.
    """
    saved = read_artifact(source)
    return write_artifact(folder, _header(saved.config), saved.tensors, saved.texts, saved.moments)


def _header(config: Config) -> dict[str, Any]:
    return config.model_dump(exclude={"format_version", "tensors", "files"})
