"""mteb runs on a binder, and finds what the binder finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny_encoders
import torch
from tiny_encoders import LOADS, PLUGIN, colour_binder, colour_items

import anybind
from anybind.errors import DataError, PluginError, UnknownNameError, UsageError
from anybind.integrations.mteb import _sample, as_mteb_encoder

SPACES = {"text": "text", "image": "image"}


@pytest.fixture(scope="module")
def mteb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MTEB_CACHE", str(tmp_path_factory.mktemp("mteb")))  # else in the home folder, on import
        yield pytest.importorskip("mteb")


@pytest.fixture
def binder(fake_plugin: Callable[..., Path], only_fake_plugins: None) -> anybind.Binder:
    fake_plugin(tiny_encoders.DISTRIBUTION, PLUGIN)
    return colour_binder("tiny-letters")


def task_like(*modalities: str) -> Any:
    """As much of a task's metadata as an encoder sees."""
    return SimpleNamespace(name="a task", get_modalities=lambda prompt_type: list(modalities))


def encoded(model: Any, batches: list[Any], *modalities: str) -> torch.Tensor:
    found: torch.Tensor = model.encode(batches, task_metadata=task_like(*modalities), hf_split="test", hf_subset="x")
    return found


def test_it_is_a_model_of_mtebs(mteb: Any, binder: anybind.Binder) -> None:
    model = as_mteb_encoder(binder, SPACES)
    assert isinstance(model, mteb.EncoderProtocol)
    meta = model.mteb_model_meta
    assert (meta.name, meta.embed_dim, meta.modalities) == ("anybind/pcca", 3, ["text", "image"])
    assert meta.similarity_fn_name == "cosine"
    assert as_mteb_encoder(binder, SPACES, name="me/mine").mteb_model_meta.name == "me/mine"
    assert LOADS == []


@pytest.mark.filterwarnings("ignore")  # those of mteb's own code
def test_a_retrieval_task_finds_what_the_binder_finds(mteb: Any, binder: anybind.Binder) -> None:
    from datasets import Dataset
    from mteb.mocks.mock_tasks.retrieval import MockAny2AnyRetrievalT2ITask, RetrievalSplitData

    texts, pictures = colour_items(30, 5)

    class Colours(MockAny2AnyRetrievalT2ITask):  # type: ignore[misc]
        def load_data(self, num_proc: int | None = None, **_: Any) -> None:
            self.dataset = {"default": {"test": RetrievalSplitData(
                queries=Dataset.from_dict({"id": [f"q{i}" for i in range(30)], "text": texts}),
                corpus=Dataset.from_dict({"id": [f"d{i}" for i in range(30)], "image": pictures}),
                relevant_docs={f"q{i}": {f"d{i}": 1} for i in range(30)}, top_ranked=None,
            )}}  # fmt: skip
            self.data_loaded = True

    result = mteb.evaluate(as_mteb_encoder(binder, SPACES), Colours(), cache=None, show_progress_bar=False)
    (scores,) = result.task_results[0].scores["test"]
    a, b = (torch.nn.functional.normalize(binder.encode(x, modality=m), dim=1) for x, m in
            ((texts, "text"), (pictures, "image")))  # fmt: skip
    table = a @ b.T
    ranks = (table > table.diagonal()[:, None]).sum(1) + 1
    expected = torch.where(ranks <= 10, 1 / ranks, 0.0).mean()
    assert scores["mrr_at_10"] == pytest.approx(float(expected), abs=0.01)
    assert scores["mrr_at_10"] > 2 * sum(1 / r for r in range(1, 11)) / 30  # twice chance


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    ["MockRetrievalTask", "MockZeroShotClassification", "MockImageTextPairClassification", "MockVisionCentricQA",
     "MockVisualSTS", "MockInstructionRetrieval"],
)  # fmt: skip
def test_tasks_of_other_kinds_run(name: str, mteb: Any, binder: anybind.Binder) -> None:
    from mteb.mocks import ALL_MOCK_TASK_TEST_GRID

    (task,) = [task for task in ALL_MOCK_TASK_TEST_GRID if task.metadata.name == name]
    result = mteb.evaluate(as_mteb_encoder(binder, SPACES), task, cache=None, show_progress_bar=False)
    assert result.task_results[0].get_score() is not None


def test_batches_are_embedded_in_order(mteb: Any, binder: anybind.Binder) -> None:
    model, (texts, pictures) = as_mteb_encoder(binder, SPACES), colour_items(5, 2)
    found = encoded(model, [{"text": texts[:2], "title": ["", ""]}, {"text": texts[2:]}], "text", "image")
    assert torch.equal(found, binder.encode(texts, modality="text"))
    assert torch.equal(encoded(model, [{"image": pictures}], "image"), binder.encode(pictures, modality="image"))
    assert encoded(model, [], "text").shape == (0, 3)
    assert encoded(model, [{"text": ["", "  "]}], "text").shape == (2, 3)


def test_items_of_several_modalities_are_fused(mteb: Any, binder: anybind.Binder) -> None:
    texts, pictures = colour_items(4, 2)
    found = encoded(as_mteb_encoder(binder, SPACES), [{"text": texts, "image": pictures}], "text", "image")
    raw = {"text": binder.encode_raw(texts, space="text"), "image": binder.encode_raw(pictures, space="image")}
    torch.testing.assert_close(found, binder.fuse(raw))


def test_similarities_are_cosines(mteb: Any, binder: anybind.Binder) -> None:
    from sklearn.metrics.pairwise import cosine_similarity

    model, draw = as_mteb_encoder(binder, SPACES), np.random.default_rng(0)
    a, b = draw.normal(size=(4, 3)).astype(np.float32), draw.normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_allclose(model.similarity(a, torch.from_numpy(b)), cosine_similarity(a, b), atol=1e-6)
    np.testing.assert_allclose(model.similarity_pairwise(a, b), cosine_similarity(a, b).diagonal(), atol=1e-6)
    assert model.similarity(a[0], b).shape == (1, 4)


def test_sounds_in_both_of_mtebs_forms() -> None:
    wave = np.linspace(-1, 1, 50)
    clip = _sample("audio", {"array": wave, "sampling_rate": 16_000})
    assert (clip.rate, clip.samples.dtype) == (16_000, np.float32)
    np.testing.assert_allclose(clip.samples, wave, atol=1e-7)
    stereo = SimpleNamespace(data=torch.tensor([[0.0, 1.0], [1.0, 1.0]]), sample_rate=8000)
    decoded = _sample("audio", SimpleNamespace(get_all_samples=lambda: stereo))
    assert (decoded.rate, decoded.samples.tolist()) == (8000, [0.5, 1.0])


def test_what_is_asked_wrong(mteb: Any, binder: anybind.Binder) -> None:
    for spaces in ({"video": "image"}, {}):
        with pytest.raises(UsageError, match="no modalities"):
            as_mteb_encoder(binder, spaces)
    with pytest.raises(UnknownNameError):
        as_mteb_encoder(binder, {"text": "sound"})
    model = as_mteb_encoder(binder, {"text": "text"})
    with pytest.raises(UsageError, match="no space was given for") as caught:
        encoded(model, [], "text", "image")
    assert (caught.value.where, caught.value.got) == ("task a task", "image")
    with pytest.raises(DataError, match="none of its task's modalities"):
        encoded(model, [{"label": [1]}], "text")


def test_without_the_library(binder: anybind.Binder, without: Any) -> None:
    without("mteb")
    with pytest.raises(PluginError) as caught:
        as_mteb_encoder(binder, SPACES)
    assert caught.value.hint == 'pip install "mteb<3,>=2.26" (extra \'mteb\' of anybind)'
