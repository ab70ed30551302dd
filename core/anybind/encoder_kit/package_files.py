"""Files that come inside an installed package: where they lie, and that they are the right ones.

Imports nothing heavy, not even the packages that hold weights: they are only located.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anybind.errors import DataError, PluginError


def read_checked(path: Path, sha256: str, distribution: str) -> bytes:
    """The content of a data file of a distribution.

    Raises:
        DataError: the file is missing, or its sum is not ``sha256``.
    """
    hint = f"install {distribution} again, from where it was installed before"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"A data file of {distribution} cannot be read.", where=path, got=error, hint=hint
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataError(
            f"A data file of {distribution} is damaged.", where=path, got=f"sha256 {found}",
            expected=f"sha256 {sha256}", hint=hint,
        )  # fmt: skip
    return content


def read_manifest(path: Path, distribution: str) -> Mapping[str, Any]:
    """A distribution's manifest of its data, whose ``sha256`` has the sum of every file by its name.

    Raises:
        DataError: it is missing, or no JSON.
    """
    try:
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"The manifest of {distribution} cannot be read.", where=path, got=error,
            hint=f"install {distribution} again, from where it was installed before",
        ) from error  # fmt: skip
    return found


@dataclass(frozen=True)
class PackageFile:
    """One file inside an installed package.

    Attributes:
        distribution: The distribution to install, with its version, e.g. ``name==1.0``.
        package: The package that holds the file, as imported.
        path: The file's path inside the package.
        sha256: The file's SHA-256 in hexadecimal.
    """

    distribution: str
    package: str
    path: str
    sha256: str

    @property
    def revision(self) -> str:
        """The exact version of the weights, as an EncoderSpec states it."""
        return f"sha256:{self.sha256}"

    def checked(self) -> Path:
        """The file's path, after its sum was found right.

        Raises:
            PluginError: the package is not installed, or the file is missing or damaged.
        """
        path = package_folder(self.package, self.distribution) / self.path
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise PluginError("A file of weights cannot be read.", where=path, got=error, hint=self._hint) from error
        if found != self.sha256:
            raise PluginError(
                "A file of weights is damaged or of another version.", where=path, got=f"sha256 {found}",
                expected=f"sha256 {self.sha256}", hint=self._hint,
            )  # fmt: skip
        return path

    @property
    def _hint(self) -> str:
        return f"install it again: pip install --force-reinstall --no-deps {self.distribution}"


def package_folder(package: str, distribution: str) -> Path:
    """The folder of an installed package, found without importing it (a parent package is imported).

    Raises:
        PluginError: there is no such package.
    """
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:  # so is its parent
        spec = None
    if spec is None or spec.origin is None:
        raise PluginError(
            "A package that holds weights is not installed.", where=package, got="nothing of that name",
            expected=distribution, hint=f"pip install {distribution}",
        )  # fmt: skip
    return Path(spec.origin).parent
