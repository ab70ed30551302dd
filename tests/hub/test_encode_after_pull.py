"""A pulled binder loads the encoder it is asked for, once, and no other."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_encoders
import torch
from loopback_hub import LoopbackHub
from tiny_encoders import LOADS, PLUGIN, colour_binder, colour_items

import anybind
from anybind.errors import PluginError
from anybind.hub import push
from anybind.plugins import discover

NAME = "alice/colours"


@pytest.fixture
def plugin(fake_plugin: Callable[..., Path], only_fake_plugins: None) -> Iterator[Path]:
    yield fake_plugin(tiny_encoders.DISTRIBUTION, PLUGIN)
    LOADS.clear()


@pytest.fixture
def pushed(plugin: Path, hub: LoopbackHub, to: Any, tmp_path: Path) -> anybind.Binder:
    binder = colour_binder("tiny-letters")
    push(binder.save_pretrained(tmp_path / "colours", license="mit"), NAME, **to)
    return binder


def test_only_the_encoder_asked_for_is_loaded(pushed: anybind.Binder, of: Any) -> None:
    texts, pictures = colour_items(5, 2)
    binder = anybind.Binder.from_pretrained(NAME, **of)
    assert LOADS == []
    found = binder.encode(texts, modality="text")
    assert LOADS == ["tiny-letters"]
    binder.encode(texts, modality="text")
    assert LOADS == ["tiny-letters"]
    binder.encode(pictures, modality="image")
    assert LOADS == ["tiny-letters", "tiny-colours"]
    assert torch.equal(found, pushed.encode(texts, modality="text"))


def test_an_encoder_that_nobody_here_knows_says_whom_to_ask(
    pushed: anybind.Binder, plugin: Path, of: Any
) -> None:
    shutil.rmtree(plugin)
    binder = anybind.Binder.from_pretrained(NAME, registry=discover()[0], **of)
    with pytest.raises(PluginError, match="is not installed") as caught:
        binder.encode(["a red dog"], modality="text")
    assert "from anybind-tiny 1.0" in str(caught.value.expected)
    assert "ask whoever made this binder" in str(caught.value.hint)
    rows = torch.ones(2, 64)
    assert binder.embed("text", rows).shape == (2, 3)  # vectors need no encoder


def test_a_catalogued_encoder_gives_the_catalogues_line(pushed: anybind.Binder, plugin: Path, of: Any) -> None:
    """Whatever distribution the artifact names."""
    info = pushed.spaces["text"].model_copy(update={"encoder": "minilm-l6", "distribution": "evil 6.6"})
    pushed.spaces["text"] = info
    with pytest.raises(PluginError, match="is not installed") as caught:
        pushed.encode(["a red dog"], modality="text")
    assert "anybind-lite" in str(caught.value.hint)
    assert "evil" not in str(caught.value.hint)


@pytest.mark.parametrize("distribution", ["evil 1.0", "evil 1.0; rm -rf /", None])
def test_what_an_artifact_names_is_no_line_to_copy(pushed: anybind.Binder, distribution: str | None) -> None:
    info = pushed.spaces["text"].model_copy(update={"encoder": "nobodys", "distribution": distribution})
    pushed.spaces["text"] = info
    with pytest.raises(PluginError, match="is not installed") as caught:
        pushed.encode(["a red dog"], modality="text")
    assert "pip install" not in str(caught.value.hint)
