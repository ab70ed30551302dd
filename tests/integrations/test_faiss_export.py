"""An exported index finds what the binder's scores find, in the same order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hidden_items import views_of

from anybind.errors import ArtifactError, DataError, PluginError, ShapeError, UnknownNameError, UsageError
from anybind.integrations.faiss import export_faiss, open_faiss, query_vectors

faiss = pytest.importorskip("faiss")

IDS = [f"item {i}" for i in range(200)]
FITS: list[tuple[str, dict[str, Any]]] = [
    ("pcca", {"features": "identity"}),
    ("pcca", {"features": "identity", "similarity": "llr"}),
    ("pcca", {"features": "nystroem", "landmarks": 60, "width": 1.0}),
    ("cca-chain", {"features": "identity"}),
    ("auto", {"features": "identity", "combine": "average", "tolerance": 1.0}),
    ("centrobind", {"epochs": 2, "joint_dim": 5, "batch_size": 64}),
]


@pytest.mark.parametrize(("method", "options"), FITS)
def test_a_search_is_the_order_of_scores(fitted: Any, method: str, options: dict[str, Any], tmp_path: Path) -> None:
    binder, rows = fitted(method, **options), views_of(200, 3)
    export_faiss(binder, "c", rows["c"], IDS, tmp_path / "c.faiss", query="a")
    index, gallery = open_faiss(tmp_path / "c.faiss")
    assert isinstance(index, faiss.IndexFlatIP)
    assert list(gallery.ids) == IDS
    asked = query_vectors(binder, gallery, "a", rows["a"])
    found, places = map(torch.from_numpy, index.search(asked.numpy(), 200))
    scores = binder.score("a", rows["a"], "c", rows["c"])
    torch.testing.assert_close(found, scores.gather(1, places), rtol=1e-3, atol=1e-4)
    best = scores.sort(1, descending=True)
    torch.testing.assert_close(found, best.values, rtol=1e-3, atol=1e-4)
    clear = best.values[:, 0] - best.values[:, 1] > 1e-3
    assert clear.sum() > 100
    assert torch.equal(places[clear, 0], best.indices[clear, 0])


def test_an_index_of_the_joint_space(fitted: Any, tmp_path: Path) -> None:
    binder, rows = fitted("cca-chain", features="identity"), views_of(200, 3)
    told = export_faiss(binder, "c", rows["c"], IDS, tmp_path / "deep" / "c.faiss")
    index, gallery = open_faiss(tmp_path / "deep" / "c.faiss")
    assert gallery == told
    assert (gallery.space, gallery.query) == ("c", None)
    joint = binder.embed("c", rows["c"])
    assert torch.equal(torch.from_numpy(index.reconstruct_n(0, 200)), joint)
    for space in "ab":
        asked = query_vectors(binder, gallery, space, rows[space])
        best = (asked @ joint.T).argmax(1)
        assert torch.equal(torch.from_numpy(index.search(asked.numpy(), 1)[1][:, 0]), best)


def test_an_index_is_for_its_own_queries(fitted: Any, tmp_path: Path) -> None:
    binder, rows = fitted("pcca", features="identity"), views_of(200, 3)
    gallery = export_faiss(binder, "c", rows["c"], IDS, tmp_path / "c.faiss", query="a")
    with pytest.raises(UsageError, match="queries of another space"):
        query_vectors(binder, gallery, "b", rows["b"])


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"ids": IDS[:-1]}, DataError, "one id"),
        ({"ids": [*IDS[:-1], IDS[0]]}, DataError, "occurs twice"),
        ({"space": "d"}, UnknownNameError, "no such space"),
        ({"query": "d"}, UnknownNameError, "no such space"),
        ({"vectors": torch.zeros(200, 3)}, ShapeError, "space 'c'"),
        ({"vectors": torch.full((200, 10), torch.nan)}, DataError, "NaN"),
        ({"vectors": torch.full((200, 10), torch.nan), "query": "a"}, DataError, "NaN"),
    ],
)
def test_what_cannot_be_indexed(fitted: Any, tmp_path: Path, change: Any, error: Any, told: str) -> None:
    binder = fitted("pcca", features="identity")
    given = {"space": "c", "vectors": views_of(200, 3)["c"], "ids": IDS, "path": tmp_path / "c.faiss"} | change
    with pytest.raises(error, match=told):
        export_faiss(binder, **given)
    assert not list(tmp_path.iterdir())


def test_no_items_make_an_empty_index(fitted: Any, tmp_path: Path) -> None:
    export_faiss(fitted("pcca", features="identity"), "c", torch.zeros(0, 10), [], tmp_path / "c.faiss")
    index, gallery = open_faiss(tmp_path / "c.faiss")
    assert index.ntotal == len(gallery.ids) == 0


def test_files_that_do_not_fit_are_refused(fitted: Any, tmp_path: Path) -> None:
    path, binder = tmp_path / "c.faiss", fitted("pcca", features="identity")
    with pytest.raises(ArtifactError, match="cannot be read"):
        open_faiss(path)
    export_faiss(binder, "c", views_of(200, 3)["c"], IDS, path)
    beside = path.with_name("c.faiss.json")
    told = json.loads(beside.read_text())
    for wrong in (json.dumps({**told, "ids": IDS[:-1]}), "{}", "no JSON", json.dumps({**told, "dim": 2})):
        beside.write_text(wrong)
        with pytest.raises(ArtifactError):
            open_faiss(path)


def test_without_the_library(fitted: Any, without: Any, tmp_path: Path) -> None:
    without("faiss")
    with pytest.raises(PluginError) as caught:
        export_faiss(fitted("pcca", features="identity"), "c", torch.zeros(0, 10), [], tmp_path / "c.faiss")
    assert caught.value.hint == 'pip install "faiss-cpu>=1.9" (extra \'faiss\' of anybind)'
