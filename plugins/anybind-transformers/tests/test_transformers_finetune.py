"""LoRA on a tiny tower: it learns, survives a kill, and serves as an encoder."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from anybind_transformers import plugin, tiny
from anybind_transformers.finetune import main
from anybind_transformers.tuning import objective, run
from anybind_transformers.tuning.data import batches, steps_of
from anybind_transformers.tuning.lora import Adapter
from anybind_transformers.tuning.run import finetune
from anybind_transformers.tuning.settings import Settings
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file

import anybind

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 40, 220), "grey": (128, 128, 128)}
GRAPH = """
version: 1
name: colours
modalities: {{text_ja: {{kind: text}}}}
encoders:
  image:   {{use: hf-image, folder: vit, dim: 16{image}}}
  text:    {{use: hf-text, folder: bert, dim: 16}}
  text_ja: {{use: hf-text, folder: other, dim: 16}}
datasets:
  pictures:    {{use: manifest, path: pictures.csv}}
  translation: {{use: manifest, path: translation.csv}}
bind:
  targets: [[image, text_ja]]
  method: all-pairs
"""
FAST = {"joint_dim": 8, "probe_epochs": 3, "epochs": 4, "batch_size": 16, "rank": 2, "rate": 5e-3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of a colour in a corner with their English names, and those names with other words."""
    root = tmp_path_factory.mktemp("graph")
    for name, maker, seed in (("vit", tiny.vit, 0), ("bert", tiny.bert, 1), ("other", tiny.bert, 2)):
        (root / name).mkdir()
        maker(root / name, seed)
    pictures, translation = ["id,image,text"], ["id,text,text_ja"]
    for number in range(48):
        name, colour = list(COLOURS.items())[number % 4]
        left = number % 3
        picture = Image.new("RGB", (32, 32), (240, 240, 240))
        picture.paste(colour, (10 * left, 4, 10 * left + 10, 28 - 3 * (number // 6)))
        picture.save(root / f"{number}.png")
        place = ("left", "middle", "right")[left]
        height = "abcdefgh"[number // 6] * 3
        pictures.append(f"p{number},{number}.png,{name} {place} {height}")
        translation.append(f"t{number},{name} {place} {height},{place[::-1]} {name[::-1]} {height}")
    (root / "pictures.csv").write_text("\n".join(pictures) + "\n")
    (root / "translation.csv").write_text("\n".join(translation) + "\n")
    (root / "graph.yaml").write_text(GRAPH.format(image=""))
    return root


def settings(**more: Any) -> Settings:
    return Settings(**{"space": "image", "target": ("image", "text_ja"), **FAST, **more})


def tensors_of(out: Path, report: dict[str, Any]) -> dict[str, torch.Tensor]:
    return load_file(Path(report["adapter"]) / "adapter_model.safetensors") | load_file(out / "heads.safetensors")


@pytest.mark.parametrize("kind", ["all-pairs", "mox"])
def test_the_adapter_learns_beyond_the_heads(kind: str, folder: Path, tmp_path: Path) -> None:
    """Against the same training with an adapter that counts for nothing: heads alone, for as many epochs."""
    graph = anybind.load_graph(folder / "graph.yaml")
    more = {"objective": kind, "probe_epochs": 10, "epochs": 10, "probe_rate": 1e-2, "rate": 1e-2, "rank": 4}
    report = finetune(graph, settings(**more), tmp_path / "lora")
    heads = finetune(graph, settings(**more, alpha=1e-9), tmp_path / "heads")
    with_adapter, alone = ([epoch["loss"] for epoch in told["epochs"]] for told in (report, heads))
    assert with_adapter[:10] == alone[:10]  # probing is the same
    assert with_adapter[9] < with_adapter[0] / 2
    assert with_adapter[-1] < alone[-1] - 0.03
    assert (report["before"], report["after"]) == tuple(report["epochs"][i]["held_out_mrr"] for i in (9, 19))
    assert json.loads((tmp_path / "lora" / "report.json").read_text()) == json.loads(json.dumps(report))


def test_a_tuned_tower_is_an_encoder_of_a_graph(folder: Path, tmp_path: Path) -> None:
    graph = anybind.load_graph(folder / "graph.yaml")
    report = finetune(graph, settings(), tmp_path / "out")
    with_adapter = folder / "adapted.yaml"
    with_adapter.write_text(GRAPH.format(image=f", adapter: '{report['adapter']}'"))
    adapted = anybind.load_graph(with_adapter)
    pictures = [Image.open(folder / f"{number}.png") for number in range(6)]
    untuned = graph.registry.build_encoder("hf-image", **graph.encoder_options("image"))
    plain = untuned.encode(pictures)
    tuned = adapted.registry.build_encoder("hf-image", **adapted.encoder_options("image")).encode(pictures)
    assert (plain - tuned).abs().max() > 1e-2
    # the vectors are those of the matrices in the file: W + alpha / rank B A
    made = load_file(Path(report["adapter"]) / "adapter_model.safetensors")
    weights = dict(untuned.network.named_parameters())
    for name in [name for name in made if "lora_A" in name]:
        layer = name.removeprefix("base_model.model.").replace(".lora_A.weight", ".weight")
        weights[layer] += 16 / 2 * made[name.replace("lora_A", "lora_B")] @ made[name]
    torch.testing.assert_close(tuned, untuned.encode(pictures), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kind", "stop"), [("all-pairs", 2), ("all-pairs", 10), ("mox", 20)])
def test_a_killed_tuning_ends_as_an_unbroken_one(
    kind: str, stop: int, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped within an epoch: in the first one, at the border of the stages, and in the last one."""
    graph, told = anybind.load_graph(folder / "graph.yaml"), settings(objective=kind)
    whole = finetune(graph, told, tmp_path / "whole")
    calls = 0

    def stopping(*args: Any, **kwargs: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == stop:
            raise KeyboardInterrupt
        return objective.loss_of(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(run, "loss_of", stopping)
        with pytest.raises(KeyboardInterrupt):
            finetune(graph, told, tmp_path / "killed")
    assert not (tmp_path / "killed" / "report.json").exists()
    lines: list[str] = []
    again = finetune(graph, told, tmp_path / "killed", lines.append)
    assert any("resumed after epoch" in line for line in lines) == (stop > 2)
    assert again["epochs"] == whole["epochs"]
    first, second = tensors_of(tmp_path / "whole", whole), tensors_of(tmp_path / "killed", again)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert finetune(graph, told, tmp_path / "killed") == again


def test_other_settings_and_damage_are_refused(folder: Path, tmp_path: Path) -> None:
    graph = anybind.load_graph(folder / "graph.yaml")
    few = {"probe_epochs": 1, "epochs": 1}
    finetune(graph, settings(**few), tmp_path)
    with pytest.raises(anybind.UsageError, match="another tuning"):
        finetune(graph, settings(**few, seed=1), tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(anybind.StoreError, match="damaged") as caught:
        finetune(graph, settings(**few), tmp_path)
    assert caught.value.where == path


def test_what_does_not_fit_is_told(folder: Path, tmp_path: Path) -> None:
    graph = anybind.load_graph(folder / "graph.yaml")
    with pytest.raises(anybind.UsageError, match="no layers of these names") as caught:
        finetune(graph, settings(modules=("nothing",)), tmp_path)
    assert "q_proj" in str(caught.value.expected)
    toy = GRAPH.format(image="").replace("use: hf-image, folder: vit, dim: 16", "use: toy-image")
    (folder / "toy.yaml").write_text(toy)
    with pytest.raises(anybind.UsageError, match="cannot be tuned"):
        finetune(anybind.load_graph(folder / "toy.yaml"), settings(), tmp_path)
    with pytest.raises(anybind.UnknownNameError):
        finetune(graph, settings(space="images"), tmp_path)
    for wrong in ({"rank": 0}, {"rate": 0.0}, {"batch_size": 1}, {"objective": "other"}, {"weight_decay": -1.0}):
        with pytest.raises(anybind.UsageError):
            settings(**wrong)
    with pytest.raises(anybind.UsageError, match="two spaces"):
        Settings(space="image", target=("image", "image"))
    with pytest.raises(anybind.PluginError, match="lacks files"):
        graph.registry.build_encoder("hf-image", folder=str(folder / "vit"), dim=16, adapter=str(tmp_path))


def test_an_adapter_of_another_network_is_refused(folder: Path, tmp_path: Path) -> None:
    graph = anybind.load_graph(folder / "graph.yaml")
    report = finetune(graph, settings(probe_epochs=1, epochs=1), tmp_path)
    with pytest.raises(anybind.PluginError, match="does not fit"):
        graph.registry.build_encoder("hf-text", folder=str(folder / "bert"), dim=16, adapter=report["adapter"])


TOWERS = {
    "clip-vit-b32-image": (tiny.clip, tiny.pictures), "clip-vit-b32-text": (tiny.clip, tiny.texts),
    "siglip2-base-image": (tiny.siglip2, tiny.pictures), "siglip2-base-text": (tiny.siglip2, tiny.texts),
    "clap-htsat-audio": (tiny.clap, tiny.sounds), "clap-htsat-text": (tiny.clap, tiny.texts),
    "x-clip-base-video": (tiny.xclip, tiny.videos), "x-clip-base-text": (tiny.xclip, tiny.texts),
}  # fmt: skip


@pytest.mark.parametrize("name", TOWERS)
def test_every_kind_of_tower_can_be_adapted(name: str, tmp_path: Path) -> None:
    maker, samples = TOWERS[name]
    folder, made = str(maker(tmp_path)), samples()
    (spec,) = [spec for spec in plugin.anybind_encoders() if spec.name == name]
    spec = spec.model_copy(update={"dim": tiny.DIM})
    module, _, factory = spec.factory.partition(":")
    build = getattr(importlib.import_module(module), factory)
    encoder = build(spec, folder=folder)
    before = encoder.encode(made)
    adapter = Adapter(encoder, rank=2, alpha=4.0, modules=(), seed=0)
    torch.testing.assert_close(encoder.encode(made), before)
    encoder.vectors(made).sum().backward()
    trained = adapter.parameters()
    second = {key: value for key, value in trained.items() if "lora_B" in key}
    assert len(trained) == 2 * len(second)
    assert all(value.grad is not None for value in trained.values())
    with torch.no_grad():
        for value in second.values():
            value.normal_(generator=torch.Generator().manual_seed(0))
    after = encoder.encode(made)
    assert (after - before).abs().max() > 1e-3
    adapter.save(tmp_path / "adapter")
    loaded = build(spec, folder=folder, adapter=str(tmp_path / "adapter")).encode(made)
    torch.testing.assert_close(loaded, after, rtol=1e-4, atol=1e-5)


def test_the_command(folder: Path, tmp_path: Path) -> None:
    arguments = [
        str(folder / "graph.yaml"), "--space", "image", "--target", "image", "text_ja", "--out", str(tmp_path),
        "--joint-dim", "8", "--probe-epochs", "1", "--epochs", "1", "--rank", "2",
    ]  # fmt: skip
    done = CliRunner().invoke(main, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (Path(report["adapter"]) / "adapter_model.safetensors").is_file()
    assert "lora 1/1: loss" in done.stderr
    quiet = CliRunner().invoke(main, [*arguments, "-q"])
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert report["adapter"] in quiet.stdout
    wrong = CliRunner().invoke(main, [*arguments, "--seed", "3", "--json"])
    assert wrong.exit_code == 2
    assert json.loads(wrong.stdout)["error"]["type"] == "UsageError"
    assert "another tuning" in wrong.stderr


def test_batches_visit_every_row_of_the_largest_data_set() -> None:
    sizes = {"large": 10, "small": 3}
    steps = list(batches(sizes, 4, (0, "probe", 1)))
    assert len(steps) == steps_of(sizes, 4) == 3
    assert set(torch.cat([step["large"] for step in steps]).tolist()) == set(range(10))
    assert all(len(step["small"]) == 3 for step in steps)
    again = list(batches(sizes, 4, (0, "probe", 1)))
    assert all(torch.equal(a["large"], b["large"]) for a, b in zip(steps, again, strict=True))
    other = list(batches(sizes, 4, (0, "probe", 2)))
    assert not all(torch.equal(a["large"], b["large"]) for a, b in zip(steps, other, strict=True))
