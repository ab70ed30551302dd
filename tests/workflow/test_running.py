"""A whole run: what it promises to say, what it leaves behind, and what it leaves alone when it fails."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from anybind.binder import Binder
from anybind.errors import AnybindError, ArtifactError, NoPathError, StoreError, UsageError
from anybind.workflow import RunResult, load_graph, run

Writer = Callable[..., Path]
FILES = {"artifact", "metrics.json", "report.html"}


def without_evaluation(text: str) -> str:
    return text[: text.index("evaluate:")]


@pytest.fixture(scope="module")
def finished(vector_graph: Writer, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """The tiny graph after a run over two seeds. Read only."""
    folder = tmp_path_factory.mktemp("finished")
    return run(vector_graph(folder / "graph"), folder / "runs" / "tiny")


def test_the_summary_has_the_promised_fields(finished: RunResult) -> None:
    answer = json.loads(json.dumps(finished.to_dict(), allow_nan=False))
    assert answer["schema_version"] == 1
    assert (answer["name"], answer["seeds"], answer["out"]) == ("tiny", [0, 1], str(finished.out))
    assert answer["seconds"].keys() == {"extract", "fit", "evaluate", "matrix"}
    (result,) = answer["results"]
    assert result.keys() == {
        "pair", "method", "n_queries", "mrr", "interval", "recall", "median_rank", "chance", "oracle",
        "share_of_oracle", "baselines", "difference_to_best_baseline", "leaked_ids", "forecast", "leakage",
        "recall_curve", "reliability", "warnings", "per_seed",
    }  # fmt: skip
    assert (result["pair"], result["method"], result["n_queries"]) == (["a", "c"], "ridge-chain", 30)
    assert list(result["recall"]) == ["1", "5", "10"]
    assert result["leaked_ids"] == 0


def test_every_share_is_a_fraction_of_one(finished: RunResult) -> None:
    (result,) = finished.results
    shares = [result["mrr"], *result["recall"].values(), *result["baselines"].values(), result["oracle"]["mrr"],
              *result["interval"]["mrr"], result["chance"]["mrr"]]  # fmt: skip
    assert all(0 <= share <= 1 for share in shares)
    assert list(result["recall"].values()) == sorted(result["recall"].values())
    assert result["chance"]["mrr"] == pytest.approx(sum(1 / rank for rank in range(1, 31)) / 30)
    assert result["mrr"] > 3 * result["chance"]["mrr"]


def test_means_are_means_over_the_seeds(finished: RunResult) -> None:
    (result,) = finished.results
    parts = result["per_seed"]
    assert [part["seed"] for part in parts] == [0, 1]
    assert result["mrr"] == pytest.approx(fmean(part["mrr"] for part in parts))
    assert result["recall"]["5"] == pytest.approx(fmean(part["recall"]["5"] for part in parts))
    baseline = fmean(part["baselines"]["mox-closed-form"] for part in parts)
    assert result["baselines"] == {"mox-closed-form": pytest.approx(baseline)}
    assert result["oracle"]["mrr"] == pytest.approx(fmean(part["oracle"]["mrr"] for part in parts))
    assert result["share_of_oracle"] == pytest.approx(result["mrr"] / result["oracle"]["mrr"])
    difference = result["difference_to_best_baseline"]
    assert difference["baseline"] == "mox-closed-form"
    assert difference["mean"] == pytest.approx(result["mrr"] - result["baselines"]["mox-closed-form"])


def test_testing_the_same_rows_again_does_not_narrow_the_interval(finished: RunResult) -> None:
    """Both seeds test the same thirty rows with the same binder: that is thirty queries, not sixty."""
    (result,) = finished.results
    low, high = result["interval"]["mrr"]
    assert low < result["mrr"] < high
    assert result["interval"]["mrr"] == pytest.approx(result["per_seed"][0]["interval"]["mrr"])


def test_a_run_leaves_its_binder_its_numbers_and_its_page(finished: RunResult) -> None:
    assert {path.name for path in finished.out.iterdir()} == FILES
    assert (finished.out.parent / "store").is_dir()
    written = json.loads((finished.out / "metrics.json").read_text("utf-8"))
    assert written["results"] == json.loads(json.dumps(finished.results))
    binder = Binder.from_pretrained(finished.out / "artifact")
    assert binder.texts["metrics.json"] == (finished.out / "metrics.json").read_text("utf-8")
    assert binder.texts["graph.yaml"] == finished.graph.path.read_text("utf-8")
    rows = {letter: np.load(finished.graph.path.parent / "test" / f"{letter}.npy") for letter in "ac"}
    assert binder.score("a", rows["a"], "c", rows["c"]).equal(finished.binder.score("a", rows["a"], "c", rows["c"]))


def test_a_second_run_embeds_nothing(finished: RunResult, tmp_path: Path) -> None:
    lines: list[str] = []
    again = run(
        finished.graph.path, tmp_path / "again", store=finished.out.parent / "store", seeds=[1], echo=lines.append
    )
    assert "embedded 0 items, 420 were there already" in lines
    assert lines[-1] == "seed 1: evaluating beside baselines and oracle"
    assert again.seeds == (1,)
    assert again.results[0]["mrr"] == finished.results[0]["per_seed"][1]["mrr"]
    assert not (tmp_path / "store").exists()


def test_another_method_is_judged_beside_its_own_oracle(finished: RunResult, tmp_path: Path) -> None:
    store = finished.out.parent / "store"
    result = run(finished.graph, tmp_path / "mox", store=store, seeds=[0], method="mox-closed-form").results[0]
    assert result["method"] == "mox-closed-form"
    before = finished.results[0]["per_seed"][0]["baselines"]["mox-closed-form"]
    assert result["mrr"] == result["baselines"]["mox-closed-form"] == before
    assert result["oracle"] != finished.results[0]["oracle"]


def test_without_oracle_baselines_and_second_seed_these_are_null(vector_graph: Writer, tmp_path: Path) -> None:
    path = vector_graph(tmp_path / "graph", lambda text: text[: text.index("    oracle:")])
    (result,) = run(path, tmp_path / "out", seeds=[0]).results
    assert (result["oracle"], result["share_of_oracle"]) == (None, None)
    assert (result["baselines"], result["difference_to_best_baseline"]) == ({}, None)


def test_a_graph_that_evaluates_nothing_still_gives_a_binder(
    vector_graph: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(vector_graph(tmp_path / "graph", without_evaluation))
    monkeypatch.undo()
    assert result.results == []
    assert result.out == Path("runs") / "tiny"
    assert {path.name for path in (tmp_path / result.out).iterdir()} == FILES


def test_a_run_needs_a_seed(finished: RunResult, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one seed"):
        run(finished.graph, tmp_path / "out", seeds=[])
    assert not (tmp_path / "out").exists()


@pytest.fixture
def older(vector_graph: Writer, tmp_path: Path) -> tuple[Path, Path, dict[str, bytes]]:
    """A graph, the folder of a finished run of it, and the bytes there; the graph has other rows by now."""
    graph = vector_graph(tmp_path / "graph", without_evaluation)
    out = run(graph, tmp_path / "runs" / "tiny", seeds=[0]).out
    content = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    vector_graph(tmp_path / "graph", without_evaluation, second=5)
    return graph, out, content


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("fatal", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_run_that_dies_while_saving_leaves_the_older_one(
    fatal: BaseException, older, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, out, content = older
    moves = []

    def replace(source, target, *, really=os.replace):
        if Path(target).parent == out / "artifact":
            moves.append(target)
            if len(moves) == 2:
                raise fatal
        really(source, target)

    monkeypatch.setattr("anybind.artifact.os.replace", replace)
    with pytest.raises(ArtifactError if isinstance(fatal, OSError) else KeyboardInterrupt):
        run(graph, out, seeds=[0])
    monkeypatch.undo()
    assert len(moves) >= 2
    assert files_in(out) == content
    assert Binder.from_pretrained(out / "artifact").method_name == "ridge-chain"


def test_a_disk_that_fills_up_before_the_numbers_are_written_keeps_the_older_ones(
    older, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, out, content = older

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("anybind.workflow.running.write_whole", full)
    with pytest.raises(AnybindError, match="the results cannot be written") as caught:
        run(graph, out, seeds=[0])
    assert caught.value.where == out / "metrics.json"
    assert caught.value.got == "No space left on device"
    assert (out / "metrics.json").read_bytes() == content["metrics.json"]
    assert {path.name for path in out.iterdir()} == FILES
    Binder.from_pretrained(out / "artifact")


def test_a_full_disk_in_extraction_is_told_by_its_place(
    vector_graph: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    graph = vector_graph(tmp_path / "graph")
    monkeypatch.setattr("anybind.store.spaces.write_whole", full)
    with pytest.raises(StoreError) as caught:
        run(graph, tmp_path / "runs" / "tiny", seeds=[0])
    assert str(tmp_path / "runs" / "store") in str(caught.value.where)


def test_a_folder_that_cannot_be_made_is_found_before_the_work_begins(vector_graph: Writer, tmp_path: Path) -> None:
    graph = load_graph(vector_graph(tmp_path / "graph"))
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(AnybindError, match="the results cannot be written") as caught:
            run(graph, out, store=tmp_path / "store")
        assert caught.value.where == out
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "store").exists()


def test_a_target_that_nothing_joins_is_found_before_the_work_begins(vector_graph: Writer, tmp_path: Path) -> None:
    def apart(text: str) -> str:
        return without_evaluation(text).replace("  second: {use: arrays, path: second}\n", "")

    graph = load_graph(vector_graph(tmp_path / "graph", apart))
    with pytest.raises(NoPathError) as caught:
        run(graph, tmp_path / "runs" / "tiny")
    assert caught.value.where == f"{graph.path}: target a - c"
    assert caught.value.got == graph.plan("a", "c").reason
    assert not (tmp_path / "runs").exists()
