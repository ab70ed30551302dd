"""Make the golden artifacts of the current format: ``python tests/golden/make.py``.

For every case below one small binder goes to ``tests/golden/v<format>/<case>/binder``, and what it gives for a few
rows to ``scores.json`` beside it. **A case that is there is never touched**: these files are what people have on their
disks, and every later anybind must read them. When the format changes, raise FORMAT_VERSION and run this once.
When a method is added, add a case. The same code on the same machine makes the same bytes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import anybind
from anybind.artifact import FORMAT_VERSION

HERE = Path(__file__).parent
WIDTHS = {"a": 4, "b": 5, "c": 3}
PAIRS = (("a", "b"), ("a", "c"), ("b", "c"))
PLAIN = {"features": "identity"}
TINY = {**PLAIN, "joint_dim": 3, "epochs": 2, "batch_size": 16}
NYSTROEM = {"features": "nystroem", "width": 1.0, "landmarks": 8, "feature_dims": 5}
FOURIER = {"features": "fourier", "width": 1.0, "feature_dims": 6}

# Case -> method and options. Every method that comes with anybind has one.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "auto": ("auto", PLAIN),
    "auto-average": ("auto", {"combine": "average", "tolerance": 1.0, **PLAIN}),
    "pcca": ("pcca", {"rank": 2, "shrinkage": 1.0, **PLAIN}),
    "pcca-nystroem-moments": ("pcca", {"rank": 2, "shrinkage": 1.0, **NYSTROEM}),
    "ridge-chain": ("ridge-chain", {"ridge": 0.1}),
    "ridge-chain-fourier": ("ridge-chain", {"ridge": 0.1, **FOURIER}),
    "mox-closed-form": ("mox-closed-form", {"transition_strength": 0.1, "head_ridge": 0.1}),
    "cca-chain": ("cca-chain", {"shrinkage": 0.3, "power": 1.0, **PLAIN}),
    "procrustes": ("procrustes", {"shrinkage": 0.3, "rank": 2, **PLAIN}),
    "pivot": ("pivot", {"ridge": 0.1, "whitening": 0.3, **PLAIN}),
    "relative": ("relative", {"anchors": 8, "neighbours": 4, "power": 2.0, "whitening": 1.0, **PLAIN}),
    "mox": ("mox", TINY),
    "fixed-anchor": ("fixed-anchor", {**TINY, "head": "mlp", "hidden_dim": 4}),
    "all-pairs": ("all-pairs", TINY),
    "centrobind": ("centrobind", TINY),
    "calmrl": ("calmrl", {**TINY, "rank": 2}),
}
# A forecast's format is the same with every method, and it is larger than all else.
FORECAST = ("auto", "pcca", "cca-chain")
GRAPH = "version: 1\nname: golden\n"
METRICS = """\
{"schema_version": 1, "results": [{"pair": ["a", "c"], "mrr": 0.5, "recall": {"1": 0.25, "10": 1.0}, "n_queries": 9,
 "interval": {"mrr": [0.4, 0.6]}, "chance": {"mrr": 0.3}, "oracle": {"mrr": 0.7}, "per_seed": [{"seed": 5}]}]}
"""


def drawn(spaces: str, rows: int, seed: int) -> dict[str, np.ndarray]:
    """Views of one two-dimensional meaning."""
    mixing = np.random.default_rng(7)
    views = {space: mixing.normal(size=(2, width)) for space, width in WIDTHS.items()}
    random = np.random.default_rng(seed)
    meaning = random.normal(size=(rows, 2))
    noise = {space: random.normal(size=(rows, WIDTHS[space])) for space in spaces}
    return {space: (meaning @ views[space] + 0.3 * noise[space]).astype(np.float32) for space in spaces}


def fitted(case: str) -> anybind.Binder:
    """The binder of a case; one case has every file that an artifact can have."""
    method, options = CASES[case]
    everything = case.endswith("-moments")
    data = {"d1": drawn("ab", 60, 1), "d2": drawn("bc", 60, 2)}
    binder = anybind.fit(
        data, method=method, options=options, seed=5, keep_moments=everything, forecast=case in FORECAST
    )
    if everything:
        binder.texts["graph.yaml"] = GRAPH
        binder = binder.partial_fit({"d3": drawn("ab", 30, 3)})
        _know_everything(binder)
    return binder


def _know_everything(binder: anybind.Binder) -> None:
    """Fill the fields of config.json that arrays leave empty."""
    binder.texts["metrics.json"], binder.licence = METRICS, "mit"
    encoder = {"encoder": "vectors", "kind": "vector", "weights": "alice/weights", "revision": "1", "licence": "MIT",
               "options": {"dim": 4}, "distribution": "anybind 0.1.0"}  # fmt: skip
    binder.spaces["a"] = binder.spaces["a"].model_copy(update=encoder)
    origin = {"use": "hf-rows", "options": {"path": "alice/rows", "split": "train"}, "licence": "CC-BY-4.0",
              "distribution": "anybind-rows 1", "attribution": "Rows by A. Author"}  # fmt: skip
    datasets = dict(binder.training.datasets)
    datasets["d1"] = datasets["d1"].model_copy(update=origin)
    binder.training = binder.training.model_copy(update={"datasets": datasets})


def make(case: str, folder: Path) -> None:
    """Write a case: the artifact, and the rows and what they give."""
    fitted(case).save_pretrained(folder / "binder")
    binder = anybind.Binder.from_pretrained(folder / "binder")
    rows = {space: np.round(array, 3).tolist() for space, array in drawn("abc", 4, 4).items()}
    scores = {f"{a} {b}": binder.score(a, rows[a], b, rows[b]).tolist() for a, b in PAIRS}
    embedded = {space: binder.embed(space, rows[space]).tolist() for space in WIDTHS}
    content = json.dumps({"rows": rows, "scores": scores, "embedded": embedded}, indent=1)
    (folder / "scores.json").write_text(content + "\n", encoding="utf-8")


def main() -> None:
    for case in CASES:
        folder = HERE / f"v{FORMAT_VERSION}" / case
        if folder.exists():
            print(f"{folder} is there and stays", file=sys.stderr)
            continue
        make(case, folder)
        print(f"wrote {folder}", file=sys.stderr)


if __name__ == "__main__":
    main()
