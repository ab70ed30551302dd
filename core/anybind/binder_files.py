"""What a binder writes: a folder, and through it a repository on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from anybind.artifact import FORECAST, GRAPH, METRICS, SpaceInfo, Training, write_artifact
from anybind.forecasting.basis_text import basis_text
from anybind.moments_file import moments_bytes
from anybind.report.card import card_texts
from anybind.report.card_facts import CardFacts
from anybind.version import installed_version

if TYPE_CHECKING:
    import torch

    from anybind.forecasting.forecast import Basis
    from anybind.hub import PushResult
    from anybind.input_maps import InputMap
    from anybind.moments import Moments
    from anybind.protocols import BinderMethod


class BinderFiles:
    """The part of ``Binder`` that saves and pushes it."""

    method_name: str
    spaces: dict[str, SpaceInfo]
    training: Training
    texts: dict[str, str]
    licence: str | None
    moments: Moments | None
    basis: Basis | None
    _method: BinderMethod
    _inputs: dict[str, InputMap]

    def tensors(self) -> dict[str, torch.Tensor]:
        """Every fitted tensor, by the name it is saved under."""
        tensors = {f"method/{name}": tensor for name, tensor in self._method.tensors().items()}
        for space, inputs in self._inputs.items():
            tensors |= {f"input/{space}/{name}": tensor for name, tensor in inputs.tensors().items()}
        return tensors

    def save_pretrained(self, folder: str | Path, *, license: str | None = None, repo_id: str | None = None) -> Path:
        """Write the binder to a folder; see ``anybind.artifact``.

        Args:
            folder: Where; made if missing.
            license: The licence it is passed on under, as the Hub names it (cc-by-sa-4.0, other); what follows
                from its encoders and data sets if None, where that can be told.
            repo_id: The repository it is meant for, as its card names it.

        Returns:
            The folder.

        Raises:
            ArtifactError: the folder cannot be written, or holds files of something else.
        """
        self.licence = license or self.licence
        header = {
            "library_version": installed_version(),
            "licence": self.licence,
            "method": self.method_name,
            "fitted": self._method.config(),
            "spaces": {name: info.model_dump() for name, info in self.spaces.items()},
            "training": self.training.model_dump(),
        }
        fewest = None if self.moments is None else self.moments.fewest_rows
        facts = CardFacts(self.method_name, self.spaces, self.training, self.texts.get(METRICS), self.licence, repo_id,
                          fewest, self.basis)  # fmt: skip
        texts = {name: self.texts[name] for name in (GRAPH, METRICS) if name in self.texts}
        if self.basis is not None:
            texts[FORECAST] = basis_text(self.basis)
        sums = None if self.moments is None else moments_bytes(self.moments)
        return write_artifact(folder, header, self.tensors(), texts | card_texts(facts), sums)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        commit_message: str | None = None,
        tag: str | None = None,
        license: str | None = None,
        token: str | None = None,
        endpoint: str | None = None,
        dry_run: bool = False,
    ) -> PushResult:
        """Save the binder and upload it as one commit; see ``anybind.hub.push`` for the arguments.

        ``license`` is that of ``save_pretrained``.
        """
        from anybind.hub import push

        with TemporaryDirectory() as folder:
            self.save_pretrained(folder, license=license, repo_id=repo_id)
            return push(
                folder, repo_id, private=private, revision=revision, create_pr=create_pr,
                commit_message=commit_message, tag=tag, token=token, endpoint=endpoint, dry_run=dry_run,
            )  # fmt: skip
