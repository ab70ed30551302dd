"""``refit``: what was published comes out again, here and through the Hub; what does not is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from loopback_hub import LoopbackHub

from anybind import Binder
from anybind.cli.app import cli
from anybind.errors import DataError, PluginError, UsageError
from anybind.plugins import installed_registry
from anybind.store import EmbeddingStore
from anybind.workflow import RefitResult, published_graph, refit, run

Writer = Callable[..., Path]


@pytest.fixture(scope="module")
def made(vector_graph: Writer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny graph, its data, and out/artifact. Read only."""
    folder = tmp_path_factory.mktemp("published")
    run(vector_graph(folder), folder / "out", store=folder / "store")
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """A copy of it on "another machine"; a store of its own, empty."""
    copy = shutil.copytree(made, tmp_path / "elsewhere")
    shutil.rmtree(copy / "store")
    return copy


def again(source: Path | Binder, place: Path) -> RefitResult:
    published = source if isinstance(source, Binder) else Binder.from_pretrained(source)
    graph = published_graph(published, installed_registry(), place)
    return refit(published, graph, EmbeddingStore(place / "store"))


def rewrite(artifact: Path, name: str, change: Callable[[str], str]) -> None:
    """Publish an artifact whose graph or numbers say something else."""
    binder = Binder.from_pretrained(artifact)
    binder.texts[name] = change(binder.texts[name])
    binder.save_pretrained(artifact)


# ------------------------------------------------------------------------------------ it comes out again


def test_a_published_binder_comes_out_again(place: Path) -> None:
    result = again(place / "out" / "artifact", place)
    assert result.reproduced
    assert (result.differing, result.choices, result.notes) == ({}, {}, ())
    assert result.tensors == len(Binder.from_pretrained(place / "out" / "artifact").tensors())
    (entry,) = result.entries
    recorded = json.loads((place / "out" / "metrics.json").read_text())["results"][0]["per_seed"][0]
    assert entry.pair == ("a", "c")
    assert entry.published["mrr"] == recorded["mrr"]
    assert entry.again == pytest.approx(entry.published, abs=1e-9)
    assert entry.scores_differ < 1e-5


def test_from_the_hub_to_the_same_numbers(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    with LoopbackHub() as hub:
        hub_options: dict[str, Any] = {"endpoint": hub.endpoint, "token": "hf_alice"}
        Binder.from_pretrained(place / "out" / "artifact").push_to_hub("alice/tiny", license="mit", **hub_options)
        pulled = Binder.from_pretrained("alice/tiny", cache_dir=tmp_path / "cache", **hub_options)
    result = again(pulled, place)
    assert result.reproduced
    assert result.entries[0].scores_differ < 1e-5
    made_again = result.binder.save_pretrained(tmp_path / "again")
    assert (made_again / "model.safetensors").read_bytes() == (
        place / "out" / "artifact" / "model.safetensors"
    ).read_bytes()


@pytest.mark.parametrize(
    ("method", "options"),
    [("pcca", "{features: identity, rank: 3, shrinkage: 1.0}"), ("fixed-anchor", "{features: identity, epochs: 3}")],
)
def test_other_methods_come_out_again_too(
    vector_graph: Writer, tmp_path: Path, method: str, options: str
) -> None:
    def change(text: str) -> str:
        text = text.replace("ridge-chain", method).replace("{ridge: 0.01}", options)
        return text.replace("seeds: [0, 1]", "seeds: [3]")

    run(vector_graph(tmp_path, change), tmp_path / "out", store=tmp_path / "store")
    result = again(tmp_path / "out" / "artifact", tmp_path)
    assert result.reproduced
    assert result.binder.training.seed == 3


def test_a_method_other_than_the_declared_one_is_fitted_as_it_was(vector_graph: Writer, tmp_path: Path) -> None:
    run(vector_graph(tmp_path), tmp_path / "out", store=tmp_path / "store", method="cca-chain")
    result = again(tmp_path / "out" / "artifact", tmp_path)
    assert result.reproduced
    assert result.binder.method_name == "cca-chain"


def test_without_recorded_numbers_the_published_binder_is_measured(place: Path) -> None:
    binder = Binder.from_pretrained(place / "out" / "artifact")
    for broken in (None, "{}", "not JSON", '{"results": [{"pair": ["c", "a"]}]}'):
        binder.texts.pop("metrics.json", None)
        if broken is not None:
            binder.texts["metrics.json"] = broken
        result = again(binder, place)
        assert result.reproduced
        assert result.entries[0].published["mrr"] > 0.3


def test_a_sign_that_the_data_do_not_give_is_no_difference(place: Path) -> None:
    """Other machines find other signs of eigenvectors; the scores are the same."""
    text = (place / "graph.yaml").read_text()
    changed = text.replace("ridge-chain", "cca-chain").replace("{ridge: 0.01}", "{shrinkage: 1.0}")
    (place / "graph.yaml").write_text(changed)
    run(place / "graph.yaml", place / "out", store=place / "store")
    published = Binder.from_pretrained(place / "out" / "artifact")
    chain = published._method.chain  # type: ignore[attr-defined]
    for space, meeting in list(chain.maps):
        chain.maps[space, meeting] *= -1
    result = again(published, place)
    assert result.differing
    assert result.reproduced


# ------------------------------------------------------------------------------------ it does not


def test_other_data_do_not_reproduce_it(place: Path) -> None:
    rows = np.load(place / "second" / "c.npy")
    np.save(place / "second" / "c.npy", rows[::-1].copy())
    result = again(place / "out" / "artifact", place)
    assert not result.reproduced
    assert result.entries[0].again["mrr"] < result.entries[0].published["mrr"]
    assert result.entries[0].scores_differ > 0.1
    assert any("c" in name for name in result.differing)


def test_fewer_rows_and_other_choices_are_named(vector_graph: Writer, tmp_path: Path) -> None:
    path = vector_graph(tmp_path, lambda text: text.replace("  options: {ridge: 0.01}\n", ""))
    run(path, tmp_path / "out", store=tmp_path / "store")
    for name in ("a", "b"):
        np.save(tmp_path / "first" / f"{name}.npy", np.load(tmp_path / "first" / f"{name}.npy")[:30])
    ids = (tmp_path / "first" / "ids.txt").read_text().splitlines()[:30]
    (tmp_path / "first" / "ids.txt").write_text("\n".join(ids))
    result = again(tmp_path / "out" / "artifact", tmp_path)
    assert not result.reproduced
    assert "data set first has {'a': 30, 'b': 30} rows, had {'a': 60, 'b': 60}" in result.notes
    assert "infinity" not in json.dumps(result.to_dict()).lower()


def test_numbers_that_were_made_up_are_found(place: Path) -> None:
    def change(text: str) -> str:
        told = json.loads(text)
        told["results"][0]["per_seed"][0]["mrr"] = 0.99
        return json.dumps(told)

    rewrite(place / "out" / "artifact", "metrics.json", change)
    result = again(place / "out" / "artifact", place)
    assert not result.reproduced
    assert not result.differing
    assert not result.entries[0].same


def test_an_encoder_of_another_revision_is_refused_before_any_work(place: Path) -> None:
    published = Binder.from_pretrained(place / "out" / "artifact")
    published.spaces["b"] = published.spaces["b"].model_copy(update={"revision": "0" * 40})
    with pytest.raises(PluginError) as caught:
        published_graph(published, installed_registry(), place)
    assert "space 'b'" in str(caught.value)
    assert "0" * 40 in str(caught.value.expected)
    assert not (place / "store").exists()


def test_what_has_no_graph_or_has_grown_is_refused(place: Path) -> None:
    published = Binder.from_pretrained(place / "out" / "artifact")
    datasets = {name: info.model_copy(update={"added": True}) for name, info in published.training.datasets.items()}
    published.training = published.training.model_copy(update={"datasets": datasets})
    with pytest.raises(UsageError, match="added"):
        published_graph(published, installed_registry(), place)
    del published.texts["graph.yaml"]
    with pytest.raises(UsageError, match="not fitted from a graph"):
        published_graph(published, installed_registry(), place)


def test_data_that_are_not_there_are_named(place: Path) -> None:
    with pytest.raises(DataError, match="first"):
        again(place / "out" / "artifact", place / "nowhere")


# ------------------------------------------------------------------------------------ the command


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(cli, ["refit", *map(str, arguments)])


def test_the_command_tells_that_it_came_out_again(place: Path) -> None:
    options = ("--data-root", place, "--store", place / "store")
    done = invoke(place / "out" / "artifact", *options, "--out", place / "again")
    assert done.exit_code == 0, done.stderr
    assert "ridge-chain, seed 0: reproduced" in done.stdout
    assert "published" in done.stdout
    assert Binder.from_pretrained(place / "again").method_name == "ridge-chain"
    told = json.loads(invoke(place / "out" / "artifact", *options, "--json").stdout)
    assert told["reproduced"] is True
    assert told["entries"][0]["same"] is True


def test_the_command_fails_when_it_does_not(place: Path) -> None:
    np.save(place / "second" / "c.npy", np.load(place / "second" / "c.npy")[::-1].copy())
    done = invoke(place / "out" / "artifact", "--data-root", place, "--store", place / "store")
    assert done.exit_code == 1
    assert "NOT reproduced" in done.stdout
    assert "differs by" in done.stdout
