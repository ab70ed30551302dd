"""The embedding store: the only door between encoders and methods.

``<root>/<collection>/<space>/`` holds one space of one collection: ``manifest.json`` (settings that never
change), ``shard-00000.safetensors`` (vectors and ids) and ``shard-00000.json`` (its rows and sha256).
"""

from __future__ import annotations

from anybind.store.filling import FillReport, check_vectors, unique_ids
from anybind.store.spaces import EmbeddingStore, SpaceFolder, SpaceKey

__all__ = ["EmbeddingStore", "FillReport", "SpaceFolder", "SpaceKey", "check_vectors", "unique_ids"]
