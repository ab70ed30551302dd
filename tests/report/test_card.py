"""The model card: what is bound, on which data, how well; tables that no name can break."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anybind.artifact import DatasetInfo, SpaceInfo, Training
from anybind.report.card import model_card, table


def space(name: str, **known: Any) -> SpaceInfo:
    return SpaceInfo(name=name, modality=known.pop("modality", name), dim=8, input_dim=8, **known)


ENCODED = {
    "image": space("image", encoder="toy-image", revision="abc123", licence="MIT", distribution="toys 1.2"),
    "text_ja": space("text_ja", encoder="toy-text", revision="7", distribution="toys 1.2"),
}
TRAINING = Training(
    datasets={
        "pictures": DatasetInfo(rows={"image": 2310, "text_en": 2300}),
        "a|b\n<i>": DatasetInfo(rows={}),
    }
)
RESULT: dict[str, Any] = {
    "pair": ["image", "text_ja"],
    "mrr": 0.31234,
    "recall": {"1": 0.2, "5": 0.45, "10": 0.5556},
    "chance": {"mrr": 0.02},
    "oracle": {"mrr": 0.4},
    "per_seed": [{}, {}, {}],
    "n_queries": 300,
}


def card(metrics: Any = None, spaces: Any = None) -> str:
    text = None if metrics is None else metrics if isinstance(metrics, str) else json.dumps(metrics)
    return model_card("pcca", spaces or ENCODED, TRAINING, text)


def rows(text: str, heading: str) -> list[list[str]]:
    """Cells of the table under a heading, without its header."""
    lines = text.split(f"## {heading}\n\n")[1].split("\n\n")[0].splitlines()
    assert set(lines[1]) <= set("| -")
    return [[cell.strip() for cell in line.replace("\\|", "¦").strip("|").split("|")] for line in lines[2:]]


def test_the_card_tells_what_is_bound_and_from_where() -> None:
    assert card().startswith("# A binder of image, text_ja\n\nMethod `pcca`")
    assert rows(card(), "Spaces") == [
        ["image", "image", "8", "toy-image", "abc123", "toys 1.2", "MIT"],
        ["text_ja", "text_ja", "8", "toy-text", "7", "toys 1.2", "unknown"],
    ]
    assert rows(card(), "Training data")[1] == ["pictures", "image 2310, text_en 2300"]
    assert "## Licences" in card()
    assert card().endswith("\n")


def test_no_name_breaks_a_table() -> None:
    assert rows(card(), "Training data")[0] == ["a¦b &lt;i&gt;", ""]
    assert table(("a", "b"), [("1", "x\\|y"), ("\r\n2", "<script>")]).splitlines() == [
        "| a | b |", "| --- | --- |", "| 1 | x\\\\\\|y |", "| 2 | &lt;script&gt; |",
    ]  # fmt: skip


def test_the_numbers_of_a_run_are_shown() -> None:
    text = card({"results": [RESULT, {**RESULT, "pair": ["a", "b"], "oracle": None}]})
    assert rows(text, "Measured") == [
        ["image – text_ja", "0.312", "0.200", "0.450", "0.556", "0.020", "0.400"],
        ["a – b", "0.312", "0.200", "0.450", "0.556", "0.020", ""],
    ]
    assert "over 3 seeds, 300 queries each" in text


@pytest.mark.parametrize(
    "metrics",
    [None, "", "{", "[]", "7", "null", "{}", {"results": []}, {"results": {}}, {"results": [{}]},
     {"results": 3}, {"results": [{**RESULT, "mrr": "high"}]}, {"results": [{**RESULT, "oracle": 1}]},
     {"results": [{**RESULT, "per_seed": None}]}, {"results": [{**RESULT, "n_queries": "many"}]}],
)  # fmt: skip
def test_other_metrics_are_left_out(metrics: Any) -> None:
    assert "## Measured" not in card(metrics)
    assert "## Spaces" in card(metrics)


def test_the_usage_calls_fit_the_spaces() -> None:
    assert 'binder.encode([...], modality="image")' in card()
    assert 'binder.encode([...], modality="text_ja")' in card()
    arrays = {"a": space("a"), "b": space("b")}
    assert 'binder.score("a", vectors_a, "b", vectors_b)' in card(spaces=arrays)
    assert "vectors of your own" in card(spaces=arrays)
    assert "binder.score(" in card(spaces={**arrays, "image": ENCODED["image"]})


def test_the_usage_is_python() -> None:
    code = card().split("```python\n")[1].split("```")[0]
    compile(code, "card", "exec")
    assert "Binder.from_pretrained(" in code
