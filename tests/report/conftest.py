"""A small bridging graph for pages and drawings."""

import pytest

from anybind.graph import BridgeGraph, Edge


@pytest.fixture
def bridge():
    """image – text_en – text_ja by two data sets, with a second encoder of pictures beside them."""

    def dataset(name, a, b, pairs):
        return Edge(a, b, kind="dataset", name=name, pairs=pairs, quality=0.5, evidence="pair counts")

    edges = [
        dataset("pictures", "image", "text_en", 660),
        dataset("captions", "image", "text_en", 340),
        dataset("translation", "text_en", "text_ja", 1500),
        Edge("image", "dino", "re-encoding", "openmoji", 660, 0.4, "pair counts"),
        Edge("text_en", "text_ja", "shared-space", "use", None, 0.5, "assumed"),
    ]
    return BridgeGraph(["image", "text_en", "text_ja", "dino", "alone"], edges)
