"""``anybind export`` with a saved binder."""

import json
import sys

import pytest
import torch

from anybind.binder import Binder

TEXTS = ["ka mo", "ri tu se", "no"]


@pytest.fixture
def artifact(finished_run):
    return finished_run[1] / "artifact"


def test_onnx(artifact, tmp_path, anybind):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    file = tmp_path / "text_en.onnx"
    result = anybind("export", artifact, "--to", "onnx", "--space", "text_en", "--out", file, "--json")
    assert result.code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["to"], told["space"], told["out"]) == ("onnx", "text_en", str(file))
    binder = Binder.from_pretrained(artifact)
    raw = binder.encode_raw(TEXTS, space="text_en")
    (found,) = runtime.InferenceSession(str(file)).run(None, {"vectors": raw.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), binder.encode(TEXTS, modality="text_en"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("query", [None, "text_en"])
def test_faiss(query, finished_run, artifact, tmp_path, anybind):
    pytest.importorskip("faiss")
    from anybind.integrations.faiss import open_faiss, query_vectors

    graph, out, _ = finished_run
    file = tmp_path / "ja.faiss"
    wanted = ["--query", query] if query else []
    result = anybind("export", artifact, "--to", "faiss", "--space", "text_ja", "--out", file, *wanted,
                     "-g", graph, "--store", out.parent / "store", "--json")  # fmt: skip
    assert result.code == 0, result.stderr
    told = json.loads(result.stdout)
    index, gallery = open_faiss(file)
    assert told["items"] == index.ntotal == len(gallery.ids)
    assert told["query"] == gallery.query == query
    binder = Binder.from_pretrained(artifact)
    asked = query_vectors(binder, gallery, "text_en", binder.encode_raw(["ka mo"], space="text_en"))
    best = gallery.ids[index.search(asked.numpy(), 1)[1][0, 0]]
    search = anybind("search", artifact, "ka mo", "-g", graph, "--store", out.parent / "store", "--from", "text_en",
                     "--to", "text_ja", "--json")  # fmt: skip
    if query:  # the search goes by scores, and so does the index then
        assert best == json.loads(search.stdout)["hits"][0]["id"]


def test_items_of_another_graph_are_refused(artifact, write_graph, tmp_path, anybind):
    pytest.importorskip("faiss")
    other = write_graph(tmp_path / "graph", lambda text: text.replace("text_ja", "text_de"))
    result = anybind("export", artifact, "--to", "faiss", "--space", "text_ja", "--out", tmp_path / "x", "-g", other)
    assert result.code == 2
    assert "another encoder than the binder" in result.stderr
    assert not (tmp_path / "x").exists()


def test_sentence_transformers_needs_an_encoder_of_its_kind(artifact, tmp_path, anybind):
    pytest.importorskip("sentence_transformers")
    result = anybind("export", artifact, "--to", "sentence-transformers", "--space", "text_en", "--out", tmp_path / "m")
    assert result.code == 1
    assert "no model of sentence-transformers" in result.stderr
    assert "toy-text" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--to", "tensorflow", "--space", "text_en"], 2, "'sentence-transformers'"),
        (["--to", "onnx", "--space", "text_en", "--query", "text_ja"], 2, "only an index has items"),
        (["--to", "onnx", "--space", "text_en", "--seed", "0"], 2, "only an index has items"),
        (["--to", "faiss", "--space", "text_ja"], 2, "an index needs items"),
        (["--to", "onnx", "--space", "text_eng"], 3, "did you mean 'text_en'?"),
    ],
)
def test_what_is_asked_wrong(arguments, code, told, artifact, tmp_path, anybind):
    result = anybind("export", artifact, *arguments, "--out", tmp_path / "x")
    assert result.code == code
    assert told in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_library_that_is_missing_is_told_with_its_extra(artifact, tmp_path, anybind, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    result = anybind("export", artifact, "--to", "onnx", "--space", "text_en", "--out", tmp_path / "x.onnx")
    assert result.code == 1
    assert 'pip install "onnx>=1.17"' in result.stderr
