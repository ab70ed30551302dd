"""The model card: what is bound and how, on which data, how well, under which licence; no name can break it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from anybind.artifact import DatasetInfo, PathInfo, SpaceInfo, Training
from anybind.report.card import card_texts, model_card
from anybind.report.card_facts import CardFacts
from anybind.report.markdown import table


def space(name: str, **known: Any) -> SpaceInfo:
    return SpaceInfo(name=name, modality=known.pop("modality", name), dim=8, input_dim=8, **known)


ENCODED = {
    "image": space("image", encoder="toy-image", weights="owner/toy", revision="abc123", licence="MIT",
                   distribution="toys 1.2"),
    "text_en": space("text_en", kind="text", encoder="toy-text", weights="pkg==1", licence="MIT", revision="7"),
    "text_ja": space("text_ja", kind="text", encoder="toy-text", weights="pkg==1", licence="MIT", revision="7"),
}  # fmt: skip
TRAINING = Training(
    datasets={
        "pictures": DatasetInfo(rows={"image": 2310, "text_en": 2300}, use="emoji", licence="CC-BY-SA-4.0",
                                attribution="Pictures by <A> Nother"),
        "a|b\n<i>": DatasetInfo(rows={}, use="hf-dataset", options={"path": "owner/pairs"}, licence="MIT"),
    },
    paths=(
        PathInfo(pair=("image", "text_en"), spaces=("image", "text_en"), datasets=(("pictures",),)),
        PathInfo(pair=("text_ja", "image"), spaces=("text_ja", "text_en", "image"), datasets=(("x",), ("pictures",))),
    ),
)
RESULT: dict[str, Any] = {
    "pair": ["image", "text_ja"],
    "mrr": 0.31234,
    "interval": {"mrr": [0.29, 0.33]},
    "recall": {"1": 0.2, "5": 0.45, "10": 0.5556},
    "chance": {"mrr": 0.02},
    "oracle": {"mrr": 0.4},
    "per_seed": [{}, {}, {}],
    "n_queries": 300,
}


def facts(metrics: Any = None, **other: Any) -> CardFacts:
    text = None if metrics is None else metrics if isinstance(metrics, str) else json.dumps(metrics)
    return CardFacts("pcca", **{"spaces": ENCODED, "training": TRAINING, "metrics": text, **other})


def card(metrics: Any = None, **other: Any) -> str:
    return model_card(facts(metrics, **other))


def header(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return found


def rows(text: str, heading: str) -> list[list[str]]:
    """Cells of the first table under a heading, without its header."""
    lines = [line for line in text.split(f"## {heading}\n\n")[1].split("\n## ")[0].splitlines() if line[:1] == "|"]
    assert set(lines[1]) <= set("| -")
    return [[cell.strip() for cell in line.replace("\\|", "¦").strip("|").split("|")] for line in lines[2:]]


def test_the_card_tells_what_binds_to_what_and_how() -> None:
    assert "\n# A binder of image, text_en, text_ja\n" in card()
    assert "`pcca`" in card()
    assert rows(card(), "What binds to what") == [
        ["image – text_en", "directly, by pictures", "not measured", "", "", "", "", ""],
        ["image – text_ja", "bridged: text_ja – text_en – image", "not measured", "", "", "", "", ""],
    ]
    assert rows(card(), "Encoders")[0] == ["image", "image", "8", "toy-image", "owner/toy", "abc123", "toys 1.2", "MIT"]
    assert rows(card(), "Training data")[1] == [
        "pictures", "emoji", "", "image 2310, text_en 2300", "CC-BY-SA-4.0",
    ]  # fmt: skip


def test_the_numbers_of_a_run_stand_in_the_line_of_their_pair() -> None:
    text = card({"results": [RESULT, {**RESULT, "pair": ["text_en", "image"], "oracle": None, "leaked_ids": 2}]})
    assert rows(text, "What binds to what") == [
        ["image – text_en", "directly, by pictures", "0.312", "0.290 – 0.330", "0.200", "0.556", "0.020", ""],
        ["image – text_ja", "bridged: text_ja – text_en – image", "0.312", "0.290 – 0.330", "0.200", "0.556", "0.020",
         "0.400"],
    ]  # fmt: skip
    assert "over 3 seeds, 300 queries each" in text
    assert "**2 test items also occur in training data**" in text


@pytest.mark.parametrize(
    "metrics",
    [None, "", "{", "[]", "7", "null", "{}", {"results": []}, {"results": {}}, {"results": [{}]},
     {"results": 3}, {"results": [{**RESULT, "mrr": "high"}]}, {"results": [{**RESULT, "oracle": 1}]},
     {"results": [{**RESULT, "per_seed": None}]}, {"results": [{**RESULT, "n_queries": "many"}]}],
)  # fmt: skip
def test_other_metrics_are_left_out(metrics: Any) -> None:
    assert "model-index" not in card(metrics)
    assert rows(card(metrics), "What binds to what")[0][2] == "not measured"


def test_the_metadata_is_what_the_hub_reads() -> None:
    found = ModelCard(card({"results": [RESULT]}, repo_id="me/binder")).data
    assert found.library_name == "anybind"
    assert found.license == "cc-by-sa-4.0"
    assert found.pipeline_tag == "feature-extraction"
    assert found.base_model == ["owner/toy"]
    assert found.datasets == ["owner/pairs"]
    assert {"modality-binding", "modality-extrapolation", "image", "text", "text_ja"} <= set(found.tags)
    assert found.model_name == "me/binder"
    assert {result.metric_type: result.metric_value for result in found.eval_results} == {
        "mrr": 0.3123, "recall_at_1": 0.2, "recall_at_5": 0.45, "recall_at_10": 0.5556,
    }  # fmt: skip


def test_results_on_a_data_set_of_the_hub_are_written_for_its_leaderboards() -> None:
    texts = card_texts(facts({"results": [RESULT]}))
    (entry,) = yaml.safe_load(texts[".eval_results/anybind.yaml"])
    assert entry["dataset"]["id"] == "owner/pairs"
    assert entry["value"] == 0.31234
    assert set(card_texts(facts())) == {"README.md"}


def test_what_a_run_warns_of_is_passed_on() -> None:
    warned = {**RESULT, "leaked_ids": 2, "warnings": ["2 test items are in a|b too."]}
    text = card({"results": [warned, {**warned, "pair": ["text_en", "image"]}]})
    assert text.count("**Careful:**") == 1
    assert "too good by an unknown amount" not in text
    assert "too good by an unknown amount" in card({"results": [{**RESULT, "leaked_ids": 2}]})


def test_the_licence_follows_from_the_parts_or_from_a_person() -> None:
    assert header(card())["license"] == "cc-by-sa-4.0"
    assert rows(card(), "Licences")[1] == ["MIT", "data set hf-dataset, encoder toy-image, encoder toy-text"]
    unknown = {**ENCODED, "image": space("image", encoder="mine")}
    assert header(card(spaces=unknown))["license"] == "other"
    assert "the licence of encoder mine is not known" in card(spaces=unknown)
    assert header(card(spaces=unknown, licence="cc-by-nc-4.0"))["license"] == "cc-by-nc-4.0"
    assert "as its makers chose" in card(spaces=unknown, licence="cc-by-nc-4.0")


def test_the_makers_of_the_data_are_named() -> None:
    assert "\n\nPictures by &lt;A&gt; Nother\n" in card()


def test_the_graph_is_drawn_with_the_bridge_dotted() -> None:
    drawing = re.search(r"```mermaid\n(.*?)```", card(), re.DOTALL)
    assert drawing
    assert '---|"pictures: 2300"|' in drawing[1]
    assert '-.-|"bridged"|' in drawing[1]


def test_no_name_breaks_a_table() -> None:
    assert rows(card(), "Training data")[0][0] == "a¦b &lt;i&gt;"
    assert table(("a", "b"), [("1", "x\\|y"), ("\r\n2", "<script>")]).splitlines() == [
        "| a | b |", "| --- | --- |", "| 1 | x\\\\\\|y |", "| 2 | &lt;script&gt; |",
    ]  # fmt: skip


def test_the_snippet_shows_the_bridged_pair() -> None:
    code = card(repo_id="me/binder").split("```python\n")[1].split("```")[0]
    compile(code, "card", "exec")
    assert 'Binder.from_pretrained("me/binder")' in code
    assert 'binder.encode_raw(["a red apple"], space="text_ja")' in code
    assert 'binder.encode_raw(["picture.png"], space="image")' in code


def test_the_snippet_runs(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    import anybind

    rows_ = {"left": torch.randn(60, 6), "right": torch.randn(60, 5)}
    binder = anybind.fit({"pairs": rows_}, method="pcca", options={"rank": 2, "shrinkage": 1.0})
    binder.save_pretrained(tmp_path / "binder")
    text = (tmp_path / "binder" / "README.md").read_text()
    code = text.split("```python\n")[1].split("```")[0].replace("PATH_OF_THIS_FOLDER", "binder")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["scores"].shape == (1, 1)
    assert "vectors of your own" in text
