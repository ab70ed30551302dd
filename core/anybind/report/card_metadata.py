"""The metadata of a model card, which the Hub reads: licence, tags, base models, data sets, results."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from huggingface_hub import EvalResult, EvalResultEntry, ModelCardData, eval_result_entries_to_yaml

from anybind.artifact import DatasetInfo
from anybind.report.card_facts import CardFacts, Measured

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_TASK = "any-to-any-retrieval"


def metadata(facts: CardFacts) -> str:
    """The YAML block between the two lines of dashes at a card's head, with them."""
    name = facts.repo_id or f"binder of {', '.join(sorted(facts.spaces))}"
    licence = facts.licence or facts.licences.hub
    fields: dict[str, Any] = {
        "library_name": "anybind", "license": licence, "pipeline_tag": "feature-extraction", "tags": _tags(facts),
        "base_model": _base_models(facts) or None, "datasets": _datasets(facts) or None, "model_name": name,
        "eval_results": [each for result in facts.measured for each in _results(result)] or None,
    }  # fmt: skip
    if licence == "other":
        fields["license_name"] = "see-the-section-licences"
    return f"---\n{ModelCardData(**fields).to_yaml()}\n---\n"


def evaluation(facts: CardFacts) -> str | None:
    """``.eval_results/*.yaml``: the results on data sets that the Hub has; None when there are none."""
    known = _datasets(facts)
    if not known or not facts.measured:
        return None
    entries = [
        EvalResultEntry(dataset_id=known[0], task_id=f"{' to '.join(result.pair)}, MRR", value=result.mrr,
                        notes=f"{result.queries} queries, {result.seeds} seeds, both directions")
        for result in facts.measured
    ]  # fmt: skip
    text = eval_result_entries_to_yaml(entries)
    from yaml import safe_dump

    return text if isinstance(text, str) else str(safe_dump(text, allow_unicode=True, sort_keys=False))


def hub_dataset(dataset: DatasetInfo) -> str | None:
    """The data set's name on the Hub, where its options name one."""
    found = next((value for key, value in dataset.options.items() if key in ("path", "repo", "name")
                  and isinstance(value, str) and _REPOSITORY.fullmatch(value)), None)  # fmt: skip
    return found if dataset.use is not None and dataset.use.startswith("hf-") else None


def _tags(facts: CardFacts) -> list[str]:
    modalities = {name for space in facts.spaces.values() for name in (space.modality, space.kind) if name}
    bridged = ["modality-extrapolation"] if any(not path.direct for path in facts.training.paths) else []
    return ["anybind", "modality-binding", *bridged, *sorted(modalities)]


def _base_models(facts: CardFacts) -> list[str]:
    return sorted({s.weights for s in facts.spaces.values() if s.weights and _REPOSITORY.fullmatch(s.weights)})


def _datasets(facts: CardFacts) -> list[str]:
    return sorted({found for each in facts.training.datasets.values() if (found := hub_dataset(each))})


def _results(result: Measured) -> Iterator[EvalResult]:
    a, b = result.pair
    numbers = {"mrr": result.mrr, **{f"recall_at_{k}": value for k, value in result.recall.items()}}
    for metric, value in numbers.items():
        yield EvalResult(
            task_type=_TASK, task_name="Retrieval, both directions", dataset_type="true-pairs",
            dataset_name=f"{a} - {b}, {result.queries} true pairs", metric_type=metric, metric_value=round(value, 4),
            metric_name=metric.upper().replace("_AT_", "@"),
        )  # fmt: skip
