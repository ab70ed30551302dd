"""Extraction embeds each item once, whatever splits and data sets ask for it, and blames the right sample."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from anybind.encoder_kit.datasets import LazyRow
from anybind.errors import DamagedShardError, DataError, PluginError, ShapeError, StoreError, UsageError
from anybind.extract import ExtractReport, ExtractTask, Skipped, extract, read_space
from anybind.progress import Progress
from anybind.specs import EncoderSpec
from anybind.store import EmbeddingStore, SpaceKey


class Words:
    """A modality whose samples are strings; "broken" cannot be read, "wrong" is no valid sample."""

    name = "word"

    def load(self, source: Any) -> str:
        if source == "broken":
            raise DataError("a word cannot be read", where="words.txt", got="broken")
        if source == "crash":
            raise ZeroDivisionError("a plugin's own mistake")
        return str(source)

    def check(self, sample: Any) -> None:
        if sample == "wrong":
            raise DataError("a word is wrong", got=sample)

    def preview(self, sample: Any) -> str:
        return str(sample)


class Rows:
    """A data set of words."""

    def __init__(self, rows: Mapping[str, str | None], collection: str = "words") -> None:
        self.collection = collection
        self.modalities = ("word",)
        self.ids: Sequence[str] = list(rows)
        self._rows = list(rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        source = self._rows[index]
        return {} if source is None else {"word": source}


@dataclass
class Counting:
    """An encoder that gives (length, first letter) and notes what it sees."""

    spec: EncoderSpec = field(
        default_factory=lambda: EncoderSpec(
            name="counting", modality="word", dim=2, factory="x:Y", weights="", revision="1", licence="MIT"
        )
    )
    batches: list[list[str]] = field(default_factory=list)
    built: int = 0

    def build(self) -> Counting:
        self.built += 1
        return self

    def encode(self, samples: Sequence[str]) -> torch.Tensor:
        self.batches.append(list(samples))
        return torch.tensor([[float(len(sample)), float(ord(sample[0]))] for sample in samples])

    @property
    def seen(self) -> list[str]:
        return [sample for batch in self.batches for sample in batch]


def key_for(collection: str = "words", encoder: str = "counting", revision: str = "1") -> SpaceKey:
    return SpaceKey(collection, "word", encoder, revision, 2)


def task(
    rows: Rows, encoder: Counting, *, label: str = "d1", key: SpaceKey | None = None
) -> ExtractTask:
    return ExtractTask(rows, "word", Words(), encoder.build, key or key_for(rows.collection), label)


def test_embeds_what_is_missing_and_reads_it_back(tmp_path: Path) -> None:
    encoder, store = Counting(), EmbeddingStore(tmp_path)
    rows = Rows({"1": "ape", "2": None, "3": "horse"})
    report = extract([task(rows, encoder)], store)
    assert (report.written, report.reused, report.skipped) == (2, 0, ())
    (space,) = report.spaces
    assert (space.rows, space.absent, space.datasets) == (2, 1, ("d1",))
    assert (tmp_path / space.folder).is_dir()
    vectors, present = read_space(rows, key_for(), store)
    assert vectors.tolist() == [[3.0, 97.0], [0.0, 0.0], [5.0, 104.0]]
    assert vectors.dtype == torch.float32
    assert present.tolist() == [True, False, True]


def test_nothing_missing_builds_no_encoder(tmp_path: Path) -> None:
    encoder, store = Counting(), EmbeddingStore(tmp_path)
    rows = Rows({"1": "ape"})
    extract([task(rows, encoder)], store)
    report = extract([task(rows, encoder)], store)
    assert (encoder.built, report.written, report.reused) == (1, 0, 1)


def test_splits_of_one_collection_are_merged(tmp_path: Path) -> None:
    encoder, store = Counting(), EmbeddingStore(tmp_path)
    first, second = Rows({"1": "ape", "2": "bee"}), Rows({"2": "bee", "3": "cat", "1": None})
    report = extract([task(first, encoder), task(second, encoder, label="d2")], store)
    assert encoder.built == 1
    assert encoder.seen == ["ape", "bee", "cat"]
    assert [space.datasets for space in report.spaces] == [("d1", "d2")]
    assert report.written == 3


def test_an_item_is_read_from_the_split_that_shows_it(tmp_path: Path) -> None:
    encoder, store = Counting(), EmbeddingStore(tmp_path)
    extract([task(Rows({"1": None, "2": "bee"}), encoder), task(Rows({"1": "ape"}), encoder)], store)
    assert encoder.seen == ["bee", "ape"] or encoder.seen == ["ape", "bee"]


def test_a_side_that_a_split_hides_stays_hidden(tmp_path: Path) -> None:
    """The store has the vector, because another split showed it; that must not leak."""
    encoder, store = Counting(), EmbeddingStore(tmp_path)
    hidden, shown = Rows({"1": None, "2": "bee"}), Rows({"1": "ape"})
    extract([task(hidden, encoder), task(shown, encoder)], store)
    vectors, present = read_space(hidden, key_for(), store)
    assert present.tolist() == [False, True]
    assert vectors[0].tolist() == [0.0, 0.0]


def test_collections_do_not_share_but_one_encoder_serves_both(tmp_path: Path) -> None:
    encoder, other, store = Counting(), Counting(), EmbeddingStore(tmp_path)
    tasks = [
        task(Rows({"1": "ape"}, "a"), encoder),
        task(Rows({"1": "dog"}, "a"), other, key=key_for("a", "other")),
        task(Rows({"1": "bee"}, "b"), encoder),
    ]
    extract(tasks, store)
    assert encoder.built == 1
    assert encoder.seen == ["ape", "bee"]
    assert other.seen == ["dog"]
    assert len(store.spaces()) == 3


def test_another_revision_is_embedded_anew(tmp_path: Path) -> None:
    encoder, store = Counting(), EmbeddingStore(tmp_path)
    rows = Rows({"1": "ape"})
    for revision in ("1", "2"):
        assert extract([task(rows, encoder, key=key_for(revision=revision))], store).written == 1


def test_batches_and_shards_have_the_sizes_asked_for(tmp_path: Path) -> None:
    encoder, store = Counting(), EmbeddingStore(tmp_path)
    rows = Rows({str(number): "word" for number in range(11)})
    extract([task(rows, encoder)], store, shard_size=5, batch_size=3)
    assert [len(batch) for batch in encoder.batches] == [3, 2, 3, 2, 1]
    assert len(list(tmp_path.glob("*/*/shard-*.json"))) == 3


def test_samples_are_loaded_ahead_by_other_threads(tmp_path: Path) -> None:
    """While the encoder is at the first batch, the second one is being loaded."""
    second_is_loading = threading.Event()

    class Watched(Words):
        def load(self, source: Any) -> str:
            if source == "second":
                second_is_loading.set()
            assert threading.current_thread() is not threading.main_thread()
            return str(source)

    class Waiting(Counting):
        def encode(self, samples: Sequence[str]) -> torch.Tensor:
            assert second_is_loading.wait(10)
            return super().encode(samples)

    encoder, rows = Waiting(), Rows({"1": "first", "2": "second"})
    work = ExtractTask(rows, "word", Watched(), encoder.build, key_for(), "d1")
    assert extract([work], EmbeddingStore(tmp_path), batch_size=1).written == 2


@pytest.mark.parametrize(
    ("source", "reason"), [("broken", "broken"), ("wrong", "wrong"), ("crash", "ZeroDivisionError")]
)
def test_an_unreadable_sample_stops_the_run_and_is_named(tmp_path: Path, source: str, reason: str) -> None:
    encoder, store = Counting(), EmbeddingStore(tmp_path)
    rows = Rows({"1": "ape", "2": "bee", "x9": source, "4": "cat"})
    with pytest.raises(DataError) as caught:
        extract([task(rows, encoder, label="animals")], store, shard_size=2)
    assert caught.value.where == "data set animals, modality word, id 'x9'"
    assert reason in str(caught.value.got)
    assert "on_error=skip" in str(caught.value.hint)
    assert store.folder(key_for()).ids() == ["1", "2"], "finished shards stay"


def test_unreadable_samples_can_be_skipped_and_are_listed(tmp_path: Path) -> None:
    encoder, store = Counting(), EmbeddingStore(tmp_path)
    sources = {"1": "broken", "2": "bee", "3": "crash", "4": "cat", "5": "wrong"}
    report = extract([task(Rows(sources), encoder)], store, on_error="skip", batch_size=2)
    assert report.written == 2
    assert [(skip.dataset, skip.id, skip.modality) for skip in report.skipped] == [
        ("d1", "1", "word"), ("d1", "3", "word"), ("d1", "5", "word"),
    ]  # fmt: skip
    assert "words.txt" in report.skipped[0].reason
    assert report.to_dict()["skipped"][1]["reason"].startswith("ZeroDivisionError")
    _, present = read_space(Rows(sources), key_for(), store)
    assert present.tolist() == [False, True, False, True, False]
    mended = extract([task(Rows({**sources, "1": "ape"}), encoder)], store, on_error="skip")
    assert (mended.written, mended.reused, len(mended.skipped)) == (1, 2, 2)


def test_only_unreadable_samples_is_an_error_even_when_skipping(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sample can be read") as caught:
        extract([task(Rows({"1": "broken"}), Counting())], EmbeddingStore(tmp_path), on_error="skip")
    assert "words.txt" in str(caught.value.hint)


def returning(vectors: Any) -> Any:
    class Odd(Counting):
        def encode(self, samples: Sequence[str]) -> Any:
            return vectors(samples)

    return Odd()


@pytest.mark.parametrize(
    ("vectors", "error"),
    [
        (lambda samples: torch.zeros(len(samples), 3), ShapeError),
        (lambda samples: torch.zeros(len(samples) + 1, 2), ShapeError),
        (lambda samples: torch.zeros(2), ShapeError),
        (lambda samples: torch.zeros(len(samples), 2, dtype=torch.float16), DataError),
        (lambda samples: [[0.0, 0.0]], DataError),
        (lambda samples: torch.full((len(samples), 2), float("nan")), DataError),
        (lambda samples: samples[99], PluginError),
    ],
)
def test_a_wrong_encoder_is_named(tmp_path: Path, vectors: Any, error: type[Exception]) -> None:
    store = EmbeddingStore(tmp_path)
    with pytest.raises(error, match="encoder 'counting'") as caught:
        extract([task(Rows({"1": "ape", "2": "bee"}), returning(vectors))], store)
    assert "word by counting over words" in str(caught.value)
    assert store.folder(key_for()).ids() == []


def test_counts_that_cancel_out_over_batches_are_found(tmp_path: Path) -> None:
    """A row too many in one batch and one too few in the next would shift vectors to wrong ids."""
    sizes = iter([3, 1])
    encoder = returning(lambda samples: torch.zeros(next(sizes), 2))
    rows = Rows({str(number): "word" for number in range(4)})
    with pytest.raises(ShapeError):
        extract([task(rows, encoder)], EmbeddingStore(tmp_path), batch_size=2)


class FewIds(Rows):
    def __len__(self) -> int:
        return super().__len__() + 1


class TwinIds(Rows):
    def __init__(self) -> None:
        super().__init__({"1": "ape", "2": "bee"})
        self.ids = ["same", "same"]


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (Rows({}), "empty"),
        (Rows({"1": None, "2": None}), "no row holds the modality 'word'"),
        (TwinIds(), "more than once"),
        (FewIds({"1": "ape"}), "one id a row"),
        (Rows({"": "ape"}), "plain string"),
    ],
)
def test_data_sets_that_cannot_be_embedded_are_named(tmp_path: Path, rows: Rows, what: str) -> None:
    with pytest.raises(DataError, match=what) as caught:
        extract([task(rows, Counting(), label="animals")], EmbeddingStore(tmp_path))
    assert "animals" in str(caught.value)


def test_one_row_is_enough(tmp_path: Path) -> None:
    assert extract([task(Rows({"1": "ape"}), Counting())], EmbeddingStore(tmp_path)).written == 1


def test_progress_is_told_batch_by_batch(tmp_path: Path) -> None:
    seen: list[Progress] = []
    rows = Rows({str(number): "word" for number in range(5)})
    store = EmbeddingStore(tmp_path)
    extract([task(rows, Counting())], store, shard_size=3, batch_size=2, progress=seen.append)
    done = [(progress.done, progress.total) for progress in seen]
    assert sorted(set(done)) == [(2, 5), (3, 5), (5, 5)]
    assert done == sorted(done)
    assert all(progress.label == "word by counting over words" for progress in seen)
    seen.clear()
    extract([task(rows, Counting())], store, progress=seen.append)
    assert seen == []


def test_an_interrupt_keeps_finished_shards(tmp_path: Path) -> None:
    class Interrupted(Counting):
        def encode(self, samples: Sequence[str]) -> torch.Tensor:
            if len(self.batches) == 2:
                raise KeyboardInterrupt
            return super().encode(samples)

    store, rows = EmbeddingStore(tmp_path), Rows({str(number): "word" for number in range(8)})
    with pytest.raises(KeyboardInterrupt):
        extract([task(rows, Interrupted())], store, shard_size=2)
    encoder = Counting()
    report = extract([task(rows, encoder)], store, shard_size=2)
    assert (report.written, report.reused, len(encoder.seen)) == (4, 4, 4)


@pytest.mark.parametrize("place", [-5, -10, -1, 3])  # a vector, an offset, an id, the header
def test_damage_is_found_on_reading_and_repaired_by_extracting(tmp_path: Path, place: int) -> None:
    rows = Rows({"1": "ape", "2": "bee", "3": "cat"})
    extract([task(rows, Counting())], EmbeddingStore(tmp_path), shard_size=1)
    (path,) = tmp_path.glob("*/*/shard-00001.safetensors")
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    store, encoder = EmbeddingStore(tmp_path), Counting()
    with pytest.raises(DamagedShardError, match="shard-00001"):
        read_space(rows, key_for(), store)
    report = extract([task(rows, encoder)], store)
    assert report.spaces[0].fill.repaired == ("shard-00001",)
    assert encoder.seen == ["bee"]
    assert read_space(rows, key_for(), store)[1].all()


def test_a_store_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"")
    with pytest.raises(StoreError):
        extract([task(Rows({"1": "ape"}), Counting())], EmbeddingStore(tmp_path / "store"))


@pytest.mark.parametrize("arguments", [{"batch_size": 0}, {"workers": 0}, {"on_error": "ignore"}])
def test_arguments_are_checked(tmp_path: Path, arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        extract([], EmbeddingStore(tmp_path), **arguments)


def test_no_tasks_no_work(tmp_path: Path) -> None:
    assert extract([], EmbeddingStore(tmp_path)) == ExtractReport()


def test_a_skip_is_plain_data() -> None:
    report = ExtractReport((), (Skipped("d1", "1", "word", "gone"),))
    expected = [{"dataset": "d1", "id": "1", "modality": "word", "reason": "gone"}]
    assert list(report.to_dict()["skipped"]) == expected


def test_what_a_data_set_left_out_when_it_was_opened_is_in_the_report_once(tmp_path: Path) -> None:
    encoder = Counting()
    rows, same = Rows({"1": "ape"}), Rows({"1": "ape"})
    rows.skipped = same.skipped = (("9", "", "no id"), ("1", "image", "a file is missing"))  # type: ignore[attr-defined]
    tasks = [task(rows, encoder), task(same, encoder), task(rows, encoder, key=key_for(encoder="other"))]
    report = extract(tasks, EmbeddingStore(tmp_path))
    assert report.skipped == (
        Skipped("d1", "9", "", "no id"), Skipped("d1", "1", "image", "a file is missing"),
    )  # fmt: skip
    assert report.to_dict()["skipped"][1] == {
        "dataset": "d1", "id": "1", "modality": "image", "reason": "a file is missing",
    }  # fmt: skip


class HardToRead(Rows):
    """Rows whose sources are read when they are asked for; some cannot be."""

    def __getitem__(self, index: int) -> Mapping[str, Any]:
        row = super().__getitem__(index)

        def source() -> Any:
            if row["word"] == "torn":
                raise DataError("a tar file ends too soon", where="a.tar")
            return row["word"]

        return LazyRow({"word": source})


def test_a_source_that_the_data_set_cannot_read_is_refused_or_left_out_like_any_other(tmp_path: Path) -> None:
    encoder = Counting()
    rows = HardToRead({"1": "ape", "2": "torn", "3": "horse"})
    with pytest.raises(DataError, match="a sample cannot be read") as caught:
        extract([task(rows, encoder)], EmbeddingStore(tmp_path / "a"))
    assert "'2'" in str(caught.value.where)
    report = extract([task(rows, encoder)], EmbeddingStore(tmp_path / "b"), on_error="skip")
    assert report.skipped == (Skipped("d1", "2", "word", "a tar file ends too soon (a.tar)"),)
    assert report.written == 2
