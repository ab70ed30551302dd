"""The README.md of an artifact: what binds to what and how, on which data, how well, and how to use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from anybind.artifact import CARD, EVALUATION, SpaceInfo
from anybind.mermaid import Link, flowchart
from anybind.report.card_facts import CardFacts, Measured
from anybind.report.card_metadata import evaluation, metadata
from anybind.report.markdown import inline, table

# A file of each kind for the snippet; texts stand for themselves.
_SAMPLES = {"image": "picture.png", "audio": "sound.wav", "video": "video.mp4", "depth": "depth.png", "imu": "imu.csv"}
_GALLERIES = (100, 1000)  # of forecasts
_LIMITS = """- Numbers hold for data like the test pairs; other data may do better or worse.
- A pair marked *bridged* was never seen together: what its two sides share beyond the pivot cannot be bound.
- Scores order candidates. They are no probabilities, and those of two pairs of spaces cannot be compared;
  `binder.probability` makes them so where there is a forecast.
- What the encoders and data are biased to, the binder is biased to."""


def card_texts(facts: CardFacts) -> dict[str, str]:
    """The files of an artifact that tell of it: README.md, and its results for the Hub's leaderboards, if any."""
    results = evaluation(facts)
    return {CARD: model_card(facts), **({EVALUATION: results} if results else {})}


def model_card(facts: CardFacts) -> str:
    """The card: metadata for the Hub, then Markdown for people."""
    parts = [
        metadata(facts) + f"\n# {_title(facts)}",
        _summary(facts), _graph(facts),
        "## What binds to what", _pairs_table(facts), *_notes(facts), *_forecasts(facts),
        "## Use", _usage(facts),
        "## Encoders", _encoders_table(facts),
        "## Training data", _training_table(facts), *_data_notes(facts),
        "## Licences", _licences(facts),
        "## Limits", _LIMITS,
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def _title(facts: CardFacts) -> str:
    return inline(facts.repo_id or f"A binder of {', '.join(sorted(facts.spaces))}")


def _summary(facts: CardFacts) -> str:
    spaces = inline(", ".join(sorted(facts.spaces)))
    return (
        f"One joint space of {spaces}, fitted by the method `{inline(facts.method)}` of anybind, which binds "
        "modalities also when no data set holds both."
    )


def _graph(facts: CardFacts) -> str:
    """The data sets as a drawing: spaces joined by the data sets that hold both."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for name, dataset in sorted(facts.training.datasets.items()):
        for a, b in combinations(sorted(dataset.rows), 2):
            pairs.setdefault((a, b), []).append(f"{name}: {min(dataset.rows[a], dataset.rows[b])}")
    links = [Link(a, b, ", ".join(labels)) for (a, b), labels in sorted(pairs.items())]
    links += [
        Link(path.pair[0], path.pair[1], "bridged", "dotted", highlighted=True)
        for path in facts.training.paths if not path.direct
    ]  # fmt: skip
    nodes = [*sorted(facts.spaces), *(end for link in links for end in (link.a, link.b))]
    return f"```mermaid\n{flowchart(nodes, links)}\n```" if links else ""


def _pairs_table(facts: CardFacts) -> str:
    measured = {tuple(sorted(result.pair)): result for result in facts.measured}
    pairs = list(dict.fromkeys([*(tuple(sorted(pair)) for pair in facts.paths), *measured]))
    header = ("pair", "bound", "MRR", "95 % interval", "R@1", "R@10", "chance", "oracle")
    return table(header, [(" – ".join(pair), _route(facts, pair), *_numbers(measured.get(pair))) for pair in pairs])


def _route(facts: CardFacts, pair: tuple[str, ...]) -> str:
    path = facts.paths.get(pair)
    if path is None:
        return ""
    if path.direct:
        return f"directly, by {', '.join(path.datasets[0])}"
    return f"bridged: {' – '.join(path.spaces)}"


def _numbers(result: Measured | None) -> tuple[str, ...]:
    if result is None:
        return ("not measured", "", "", "", "", "")
    interval = _interval(result.interval) if result.interval else ""
    recall = [f"{result.recall[k]:.3f}" if k in result.recall else "" for k in (1, 10)]
    oracle = f"{result.oracle:.3f}" if result.oracle is not None else ""
    return (f"{result.mrr:.3f}", interval, *recall, f"{result.chance:.3f}", oracle)


def _notes(facts: CardFacts) -> Iterator[str]:
    if not facts.measured:
        return
    first = facts.measured[0]
    yield (
        f"Means of both directions over {first.seeds} seeds, {first.queries} queries each. *Chance* is the MRR of "
        "guessing, *oracle* that of the same method fitted on as many true pairs."
    )
    leaked = max(result.leaked for result in facts.measured)
    warnings = dict.fromkeys(warning for result in facts.measured for warning in result.warnings)
    yield from (f"**Careful:** {inline(warning)}" for warning in warnings)
    if leaked and not warnings:
        yield f"**{leaked} test items also occur in training data**: the numbers are too good by an unknown amount."


def _forecasts(facts: CardFacts) -> Iterator[str]:
    """What to expect of every pair that was asked for, made without looking at a true pair of it."""
    wanted = [tuple(sorted(pair)) for pair in facts.paths]
    known = {} if facts.basis is None else {tuple(sorted(pair)): each for pair, each in facts.basis.pairs.items()}
    told = [known[pair].forecast(gallery) for pair in wanted if pair in known for gallery in _GALLERIES]
    if not told:
        return
    header = ("pair", "gallery", "MRR", "90 % interval", "R@1", "R@10", "chance", "nothing assumed")
    yield "## What to expect"
    yield (
        "Forecast from held-out rows of the training data sets, as means of both directions. No true pair of bridged "
        "spaces was looked at. *90 % interval* rests on the assumptions below; *nothing assumed* is the range of MRR "
        "that the data sets allow whatever joins the two."
    )
    yield table(header, [
        (" – ".join(each.pair), f"{each.gallery:,}", f"{each.mrr:.3f}", _interval(each.mrr_interval),
         f"{each.recall[1]:.3f}", f"{each.recall[10]:.3f}", f"{each.chance:.3f}", _interval(each.identification))
        for each in told
    ])  # fmt: skip
    yield "\n".join(f"- {text}" for text in dict.fromkeys(each.assumptions for each in told))


def _interval(values: tuple[float, float]) -> str:
    return f"{values[0]:.3f} – {values[1]:.3f}"


def _usage(facts: CardFacts) -> str:
    a, b = _shown_pair(facts)
    place = facts.repo_id or "PATH_OF_THIS_FOLDER"
    lines = ["import anybind", "", f'binder = anybind.Binder.from_pretrained("{place}")']
    lines += [f"{name} = {_vectors(facts.spaces[space])}" for name, space in (("left", a), ("right", b))]
    lines += [f'scores = binder.score("{a}", left, "{b}", right)  # (1, 1); higher is likelier the same item']
    if any(facts.spaces[space].encoder is None for space in (a, b)):
        lines[0:1] = ["import torch", "", "import anybind"]
    plugins = sorted({s.distribution for s in facts.spaces.values() if s.distribution and s.encoder})
    needed = f"It needs {', '.join(f'`{inline(plugin)}`' for plugin in plugins)}.\n\n" if plugins else ""
    return needed + "```python\n" + "\n".join(lines) + "\n```"


def _shown_pair(facts: CardFacts) -> tuple[str, str]:
    """The pair to show: a bridged one if there is one."""
    paths = sorted(facts.training.paths, key=lambda path: path.direct)
    if paths:
        return paths[0].pair
    names = sorted(facts.spaces)
    return names[0], names[-1]


def _vectors(space: SpaceInfo) -> str:
    if space.encoder is None:
        return f"torch.ones(1, {space.dim})  # vectors of your own, as it was fitted on"
    kinds = {space.modality, space.kind}
    sample = "a red apple" if "text" in kinds else next((_SAMPLES[k] for k in _SAMPLES if k in kinds), "sample")
    return f'binder.encode_raw(["{sample}"], space="{space.name}")'


def _encoders_table(facts: CardFacts) -> str:
    rows = [
        (name, space.modality, str(space.dim), space.encoder or "vectors of your own", space.weights or "",
         space.revision or "", space.distribution or "", space.licence or "unknown")
        for name, space in sorted(facts.spaces.items())
    ]  # fmt: skip
    return table(("space", "modality", "dims", "encoder", "weights", "revision", "from", "licence"), rows)


def _training_table(facts: CardFacts) -> str:
    rows = [
        (f"{name} (added)" if dataset.added else name, _origin(dataset.use, dataset.options),
         dataset.distribution or "", ", ".join(f"{space} {count}" for space, count in sorted(dataset.rows.items())),
         dataset.licence or "unknown")
        for name, dataset in sorted(facts.training.datasets.items())
    ]  # fmt: skip
    return table(("data set", "what", "from", "rows per space", "licence"), rows)


def _data_notes(facts: CardFacts) -> Iterator[str]:
    if any(dataset.added for dataset in facts.training.datasets.values()):
        yield "What is marked *added* came later, by `partial_fit`: what had been chosen before was kept."
    if facts.fewest_summed is not None:
        rows = "one row, and is that row" if facts.fewest_summed == 1 else f"{facts.fewest_summed} rows"
        yield (
            "`moments.safetensors` holds what `partial_fit` needs to add more data: sums over the rows of every data "
            "set and fold, and over their products. **They are no rows, yet can tell of single ones**: the smallest "
            f"sum is over {rows}; and two such files whose data differ by one row give that row away."
        )


def _origin(use: str | None, options: Mapping[str, object]) -> str:
    if use is None:
        return "arrays"
    return use + "".join(f", {name} {value}" for name, value in sorted(options.items()))


def _licences(facts: CardFacts) -> str:
    found = facts.licences
    rows = [(name, ", ".join(parts)) for name, parts in found.parts.items()]
    chosen = facts.licence or found.hub
    if facts.licence is not None:
        told = f"Passed on under `{inline(chosen)}`, as its makers chose."
    elif found.needs_decision:
        told = "Which licence the whole may have is for a person to decide: " + inline("; ".join(found.reasons)) + "."
    else:
        told = f"Passed on under `{inline(chosen)}`: what one of its parts asks for, the whole asks for."
    named = dict.fromkeys(d.attribution for d in facts.training.datasets.values() if d.attribution)
    credits = "".join(f"\n\n{inline(text)}" for text in named)
    return f"{told}\n\n{table(('licence', 'of'), rows)}{credits}"
