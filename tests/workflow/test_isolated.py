"""An encoder that cannot be loaded here runs in another environment; only the store is shared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

from anybind.errors import DataError, PluginError, UnknownNameError, UsageError
from anybind.progress import Progress
from anybind.registry import Registry
from anybind.specs import EncoderSpec, OptionSpec
from anybind.store import EmbeddingStore
from anybind.workflow import extract_graph, extract_isolated, load_graph

OPTIONS = {"dim": OptionSpec(type="int", required=True), "scale": OptionSpec(type="float", default=2.0)}
HEAVY = EncoderSpec(
    name="heavy", modality="vector", dim=1, factory="anybind_heavy.heavy:Heavy", weights="none", revision="1",
    licence="Apache-2.0", options=OPTIONS,
)  # fmt: skip
PLUGIN = """
    import anybind
    @anybind.hookimpl
    def anybind_encoders():
        options = {"dim": anybind.OptionSpec(type="int", required=True),
                   "scale": anybind.OptionSpec(type="float", default=2.0)}
        return [anybind.EncoderSpec(name="heavy", modality="vector", dim=1, factory="anybind_heavy.heavy:Heavy",
                                    weights="none", revision="REVISION", licence="Apache-2.0", options=options)]
"""
ENCODER = """
    import torch, heavy_library
    class Heavy:
        def __init__(self, spec, *, dim, scale=2.0):
            self.spec, self.scale = spec, scale
            print("a library that talks on stdout")
        def encode(self, samples):
            if self.scale == 13:
                raise ValueError("thirteen")
            rows = torch.tensor([list(map(float, sample)) for sample in samples])
            return heavy_library.times(rows, self.scale)
"""


def other_environment(folder: Path, *, anybind: bool = True, revision: str = "1") -> Path:
    """A virtual environment that has what this one has, and a plugin and a library that this one lacks."""
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    if anybind:
        here = sysconfig.get_path("purelib")
        (site / "these.pth").write_text(f"import site; site.addsitedir({here!r})\n")
        for name, text in {
            "anybind_heavy/__init__.py": "", "anybind_heavy/plugin.py": PLUGIN.replace("REVISION", revision),
            "anybind_heavy/heavy.py": ENCODER, "heavy_library.py": "def times(rows, by):\n    return rows * by\n",
            "anybind_heavy-0.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: anybind-heavy\nVersion: 0.1\n",
            "anybind_heavy-0.1.dist-info/entry_points.txt": "[anybind]\nheavy = anybind_heavy.plugin\n",
        }.items():  # fmt: skip
            (site / name).parent.mkdir(exist_ok=True)
            (site / name).write_text(dedent(text))
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return other_environment(tmp_path_factory.mktemp("environments") / "other")


@pytest.fixture
def registry(hand_made_registry: Callable[..., Registry]) -> Registry:
    return hand_made_registry(HEAVY)


def heavy(more: str = "") -> Callable[[str], str]:
    return lambda text: text.replace("a: {use: vectors, dim: 5}", f"a: {{use: heavy, dim: 5{more}}}")


def test_the_other_environment_embeds_and_this_one_reads(
    vector_graph: Callable[..., Path], registry: Registry, other: Path, tmp_path: Path
) -> None:
    graph = load_graph(vector_graph(tmp_path, heavy(", scale: 3")), registry=registry)
    store, seen = EmbeddingStore(tmp_path / "store"), list[Progress]()
    with pytest.raises(PluginError, match="heavy"):  # here it cannot run
        extract_graph(graph, store, spaces=["a"])
    report = extract_isolated(graph, store, other, spaces=["a"], progress=seen.append)
    assert report.written == 60 + 30 + 60
    assert {space.space.split(" over ")[0] for space in report.spaces} == {"a by heavy"}
    assert seen[-1].done == seen[-1].total > 0
    # What lies in the store is what this environment looks for: nothing of it is left to embed.
    again = extract_graph(graph, store)
    assert {space.space.split()[0]: space.fill.written for space in again.spaces}["a"] == 0
    dataset = graph.training(0)["first"]
    from anybind.extract import read_space
    from anybind.workflow.vectors import space_key

    vectors, present = read_space(dataset, space_key(graph, graph.spaces["a"], dataset.collection), store)
    assert present.all()
    np.testing.assert_allclose(vectors.numpy(), 3 * np.load(tmp_path / "first" / "a.npy"), rtol=1e-6)
    assert extract_isolated(graph, store, other / "bin" / "python", spaces=["a"]).written == 0  # resumed


def test_an_error_comes_back_with_its_place_and_its_environment(
    vector_graph: Callable[..., Path], registry: Registry, other: Path, tmp_path: Path
) -> None:
    graph = load_graph(vector_graph(tmp_path, heavy(", scale: 13")), registry=registry)
    with pytest.raises(PluginError, match="encoder 'heavy' failed") as caught:
        extract_isolated(graph, EmbeddingStore(tmp_path / "store"), other, spaces=["a"])
    assert "ValueError: thirteen" in str(caught.value.got)
    assert str(other) in str(caught.value.where)


def test_a_sample_that_cannot_be_read_comes_back_or_is_skipped(
    vector_graph: Callable[..., Path], registry: Registry, other: Path, tmp_path: Path
) -> None:
    graph = load_graph(vector_graph(tmp_path, heavy()), registry=registry)
    values = np.load(tmp_path / "first" / "a.npy")
    values[3, 0] = np.nan
    np.save(tmp_path / "first" / "a.npy", values)
    with pytest.raises(DataError, match="a sample cannot be read") as caught:
        extract_isolated(graph, EmbeddingStore(tmp_path / "store"), other, spaces=["a"])
    assert "'first-03'" in str(caught.value.where)
    report = extract_isolated(graph, EmbeddingStore(tmp_path / "store"), other, spaces=["a"], on_error="skip")
    assert [(skipped.id, skipped.modality) for skipped in report.skipped] == [("first-03", "a")]


def test_an_environment_that_would_make_other_vectors_is_refused(
    vector_graph: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    graph = load_graph(vector_graph(tmp_path, heavy()), registry=registry)
    newer = other_environment(tmp_path / "newer", revision="2")
    with pytest.raises(PluginError, match="different vectors") as caught:
        extract_isolated(graph, EmbeddingStore(tmp_path / "store"), newer, spaces=["a"])
    assert (caught.value.got, caught.value.expected) == ("revision: 2", "revision: 1")
    assert not list((tmp_path / "store").rglob("*.safetensors"))


def test_an_environment_without_anybind_says_so(
    vector_graph: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    graph = load_graph(vector_graph(tmp_path, heavy()), registry=registry)
    empty = other_environment(tmp_path / "empty", anybind=False)
    with pytest.raises(PluginError, match="no anybind that can extract") as caught:
        extract_isolated(graph, EmbeddingStore(tmp_path / "store"), empty, spaces=["a"])
    assert "install it there" in str(caught.value.hint)


def test_there_is_no_such_interpreter(
    vector_graph: Callable[..., Path], registry: Registry, tmp_path: Path
) -> None:
    graph = load_graph(vector_graph(tmp_path, heavy()), registry=registry)
    with pytest.raises(UsageError, match="no Python interpreter"):
        extract_isolated(graph, EmbeddingStore(tmp_path / "store"), tmp_path / "nowhere", spaces=["a"])


def anybind(*arguments: object, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "anybind", *map(str, arguments)], cwd=folder, text=True, capture_output=True,
        check=False, env={**os.environ, **environment},
    )  # fmt: skip


def test_the_command_line(vector_graph: Callable[..., Path], other: Path, tmp_path: Path) -> None:
    """The plugin is listed here too, without the library that it needs: installed with --no-deps, so to say."""
    graph = vector_graph(tmp_path, heavy())
    here = tmp_path / "listed"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(other)}))
    for name in ("anybind_heavy", "anybind_heavy-0.1.dist-info"):
        (here / name).mkdir(parents=True)
        for path in (site / name).glob("*.*"):
            (here / name / path.name).write_text(path.read_text())
    done = anybind(
        "extract", graph, "--store", "s", "--encoder", "heavy", "--python", other, "--json", folder=tmp_path,
        PYTHONPATH=str(here),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["written"] == 150


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        (["--encoder", "vectrs"], UnknownNameError, "did you mean 'vectors'"),
        (["--python", "x"], UsageError, "add --encoder NAME"),
    ],
)
def test_wrong_options(
    arguments: list[str], error: type[Exception], told: str, vector_graph: Callable[..., Path], tmp_path: Path
) -> None:
    from anybind.cli.app import cli

    with pytest.raises(error, match=told):
        cli.main(["extract", str(vector_graph(tmp_path)), *arguments], standalone_mode=False)


def test_one_encoder_alone(vector_graph: Callable[..., Path], tmp_path: Path, capsys: Any) -> None:
    from anybind.cli.app import cli

    path = vector_graph(tmp_path)
    cli.main(["extract", str(path), "--store", str(tmp_path / "s"), "--encoder", "b", "--json"], standalone_mode=False)
    spaces = json.loads(capsys.readouterr().out)["spaces"]
    assert {space["space"].split()[0] for space in spaces} == {"b"}
