"""Batches keep order and number; devices and number formats that do not exist are told."""

from __future__ import annotations

import pytest
import torch

from anybind.encoder_kit.batches import check_texts, encode_in_batches
from anybind.encoder_kit.devices import checked_device, checked_dtype
from anybind.encoder_kit.options import checkpoint_options, running_options
from anybind.errors import DataError, UsageError


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_rows_come_back_in_order_also_when_batches_are_sorted_by_length(batch_size: int) -> None:
    samples, batches = ["ccc", "a", "bb", "", "dddd"], list[list[str]]()

    def encode(batch: list[str]) -> torch.Tensor:
        batches.append(batch)
        return torch.tensor([[float(len(text))] for text in batch], dtype=torch.float64)

    found = encode_in_batches(samples, encode, batch_size=batch_size, dim=1, length=len)
    assert found.dtype == torch.float32
    assert found[:, 0].tolist() == [3, 1, 2, 0, 4]
    assert max(map(len, batches)) == min(batch_size, 5)
    assert [len(text) for batch in batches for text in batch] == [0, 1, 2, 3, 4]


def test_no_samples_give_no_rows() -> None:
    assert encode_in_batches([], lambda _: torch.zeros(0, 4), batch_size=2, dim=4).shape == (0, 4)


def test_what_is_no_text_is_named_by_its_place() -> None:
    for samples in (["a", 3], ["a", "\ud800"]):
        with pytest.raises(DataError, match="sample 1"):
            check_texts("demo", samples)


@pytest.mark.parametrize("device", ["cuda:99", "nonsense", ""])
def test_a_device_that_is_not_there(device: str) -> None:
    with pytest.raises(UsageError, match="demo"):
        checked_device("demo", device)
    assert checked_device("demo", "cpu").type == "cpu"


def test_number_formats() -> None:
    assert checked_dtype("demo", "bfloat16") is torch.bfloat16
    with pytest.raises(UsageError, match="float32, bfloat16, float16"):
        checked_dtype("demo", "int8")


def test_what_does_not_change_the_vectors_does_not_name_them() -> None:
    options = {**checkpoint_options("owner/name", "abc"), **running_options(8)}
    assert {name for name, option in options.items() if not option.affects_output} == {"batch_size", "device"}
    defaults = [options[name].default for name in ("weights", "revision", "folder", "batch_size")]
    assert defaults == ["owner/name", "abc", None, 8]
