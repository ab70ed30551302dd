"""``anybind encode`` with a saved binder."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from anybind.artifact import SpaceInfo
from anybind.binder import Binder
from anybind.cli.inputs import as_sources
from anybind.registry import Entry, Registry
from anybind.specs import ModalitySpec


@pytest.fixture
def artifact(finished_run):
    return finished_run[1] / "artifact"


@pytest.mark.parametrize("ending", ["npy", "safetensors"])
def test_vectors_are_saved_as_the_library_gives_them(ending, artifact, tmp_path, anybind):
    file = tmp_path / "new" / f"vectors.{ending}"
    result = anybind("encode", artifact, "--modality", "text_en", "ka mo", "ri tu", "--out", file, "--json")
    assert result.code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert (answer["rows"], answer["space"], answer["out"]) == (2, "text_en", str(file))
    vectors = np.load(file) if ending == "npy" else load_file(file)["vectors"]
    expected = Binder.from_pretrained(artifact).encode(["ka mo", "ri tu"], modality="text_en").numpy()
    np.testing.assert_array_equal(vectors, expected)
    assert answer["dim"] == vectors.shape[1]
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_without_a_file_the_vectors_are_printed(artifact, anybind):
    result = anybind("encode", artifact, "--modality", "text_en", "-", stdin="ka mo\n\nri tu\r\n")
    first, second = (line.split("\t") for line in result.stdout.splitlines())
    assert (first[0], second[0]) == ("ka mo", "ri tu")
    answer = json.loads(anybind("encode", artifact, "--modality", "text_en", "ka mo", "--json").stdout)
    assert [float(x) for x in first[1].split()] == pytest.approx(answer["vectors"][0], rel=2e-3, abs=1e-6)


def test_inputs_are_texts_or_files_as_their_modality_says():
    spec = ModalitySpec(name="text_xx", kind="text", factory="some:Text")
    registry = Registry([Entry(spec, "anybind-xx", "1.0")])

    def info(modality, kind=None):
        return SpaceInfo.model_construct(modality=modality, kind=kind)

    assert as_sources(["dog.png"], info("image"), registry) == [Path("dog.png")]
    assert as_sources(["犬"], info("text_xx"), registry) == ["犬"]
    assert as_sources(["犬"], info("text_yy", kind="text"), registry) == ["犬"]
    assert as_sources(["犬"], info("text_yy"), registry) == [Path("犬")]


def test_wrong_input_is_refused_before_anything_is_loaded(tmp_path, anybind):
    nothing = tmp_path / "no-artifact"
    assert anybind("encode", nothing, "--modality", "text_en").code == 2
    bad_format = anybind("encode", nothing, "--modality", "text_en", "x", "--out", "v.pt")
    assert bad_format.code == 2
    assert ".npy or .safetensors" in bad_format.stderr
    no_text = anybind("encode", nothing, "--modality", "text_en", "-", stdin=b"\xff\xfe")
    assert no_text.code == 1
    assert "stdin is not UTF-8" in no_text.stderr


def test_a_missing_artifact_and_an_unknown_modality_are_told(artifact, tmp_path, anybind):
    assert "error: " in anybind("encode", tmp_path, "--modality", "text_en", "x").stderr
    unknown = anybind("encode", artifact, "--modality", "text_eng", "x")
    assert unknown.code == 3
    assert "did you mean 'text_en'?" in unknown.stderr
