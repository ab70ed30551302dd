"""``anybind fit``: what it writes, where checkpoints go, and several ranks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import anybind as package


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_trained_method_keeps_its_checkpoints_beside_the_binder(anybind, write_graph, tmp_path) -> None:
    graph = write_graph(tmp_path)
    assert anybind("extract", graph).code == 0
    done = anybind("fit", graph, "--out", tmp_path / "binder", "--method", "all-pairs", "--json")
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)["method"] == "all-pairs"
    (folder,) = (tmp_path / "binder.training").iterdir()
    epochs = [json.loads(line) for line in (folder / "training.jsonl").read_text("utf-8").splitlines()]
    assert any("held_out" in str(epoch) for epoch in epochs)
    elsewhere = tmp_path / "elsewhere"
    done = anybind("fit", graph, "--out", tmp_path / "other", "--method", "all-pairs", "--checkpoints", elsewhere)
    assert done.code == 0
    assert list(elsewhere.iterdir())
    assert not (tmp_path / "other.training").exists()


def test_two_ranks_fit_one_binder(anybind, write_graph, tmp_path) -> None:
    graph = write_graph(tmp_path)
    assert anybind("extract", graph).code == 0
    assert anybind("fit", graph, "--out", tmp_path / "one").code == 0
    command = [sys.executable, "-m", "anybind", "fit", str(graph), "--out", str(tmp_path / "two"), "--json"]
    shared = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    ranks = [
        subprocess.Popen(command, env={**shared, "RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    printed = [rank.communicate(timeout=120)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0]
    assert json.loads(printed[0])["method"] == "ridge-chain"
    assert not printed[1]
    one, two = (package.Binder.from_pretrained(tmp_path / name) for name in ("one", "two"))
    assert one.training == two.training
    assert one.fitted == two.fitted
