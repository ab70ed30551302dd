"""The tuning: heads on frozen vectors first, then heads and adapter together, with a checkpoint after every epoch."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

import anybind
from anybind_transformers.tuning import checkpoint
from anybind_transformers.tuning.data import Data, Part, batches, steps_of
from anybind_transformers.tuning.heads import Heads, named
from anybind_transformers.tuning.lora import Adapter
from anybind_transformers.tuning.objective import loss_of
from anybind_transformers.tuning.optimiser import Optimiser
from anybind_transformers.tuning.settings import Settings

PROBE, LORA = "probe", "lora"
_MOST_HELD_OUT = 1000
Tell = Callable[[str], None]


def finetune(graph: Any, settings: Settings, out: Path, tell: Tell = lambda line: None) -> dict[str, Any]:
    """Tune the tower of one space of a graph.

    A tuning that is killed goes on from its last epoch when it is called again, and ends bit for bit as an unbroken
    one on the same machine. One that is done gives its report again.

    Args:
        graph: As ``anybind.load_graph`` gives it.
        settings: How to tune.
        out: Folder for the checkpoint, the adapter, the heads and ``report.json``.
        tell: Called with a line about how far it is.

    Returns:
        The report, JSON-plain: ``adapter`` (its folder, named after its content), ``space``, ``epochs`` (one entry
        each, with ``loss`` and ``held_out_mrr``), ``before`` and ``after``: the held-out mean reciprocal rank of
        probing and of the end, None without held-out pairs.

    Raises:
        UsageError: settings that do not fit the graph, or ``out`` holds another tuning.
        DataError, PluginError, StoreError: samples, encoders or the folder cannot be used.
    """
    data = Data(graph, settings.space, settings.seed, tell)
    tuning = _Tuning(data, settings, _route(graph, settings), out, tell)
    return tuning.run()


class _Tuning:
    def __init__(self, data: Data, settings: Settings, route: tuple[str, ...] | None, out: Path, tell: Tell) -> None:
        self._data, self._settings, self._route, self._out, self._tell = data, settings, route, out, tell
        self._heads = Heads(data, settings.joint_dim, settings.seed)
        self._adapter = Adapter(
            data.encoder, rank=settings.rank, alpha=settings.alpha, modules=settings.modules, seed=settings.seed
        )
        self._training = {name: (~part.held_out).nonzero()[:, 0] for name, part in data.parts.items()}
        self._key = settings.key([data.identity(), route])
        self._epochs: list[dict[str, Any]] = []

    def run(self) -> dict[str, Any]:
        saved = checkpoint.read(self._out / "checkpoint.safetensors", self._key)
        if saved is not None:
            self._epochs = list(saved.state["epochs"])
            self._tell(f"resumed after epoch {len(self._epochs)}")
        for stage, count in ((PROBE, self._settings.probe_epochs), (LORA, self._settings.epochs)):
            self._stage(stage, count, saved)
        return self._finished()

    def _stage(self, stage: str, count: int, saved: checkpoint.Saved | None) -> None:
        done = sum(epoch["stage"] == stage for epoch in self._epochs)
        tensors = named(self._heads.weights) | (self._adapter.parameters() if stage == LORA else {})
        rate = self._settings.rate if stage == LORA else self._settings.probe_rate
        optimiser = Optimiser(tensors, rate, self._settings.weight_decay)
        if saved is not None and saved.state["stage"] == stage:
            optimiser.load(saved.tensors)
        for epoch in range(done, count):
            loss = self._epoch(stage, epoch, count, optimiser)
            record = {"stage": stage, "epoch": epoch + 1, "loss": loss, "held_out_mrr": self._held_out(stage)}
            self._epochs.append(record)
            state = {"stage": stage, "epochs": self._epochs}
            checkpoint.write(
                self._out / "checkpoint.safetensors", self._key, checkpoint.Saved(state, optimiser.state())
            )
            shown = "" if record["held_out_mrr"] is None else f", held-out MRR {record['held_out_mrr']:.3f}"
            self._tell(f"{stage} {epoch + 1}/{count}: loss {loss:.4f}{shown}")

    def _epoch(self, stage: str, epoch: int, count: int, optimiser: Optimiser) -> float:
        settings = self._settings
        sizes = {name: len(rows) for name, rows in self._training.items() if len(rows)}
        steps, total = steps_of(sizes, settings.batch_size), 0.0
        consistent = settings.objective == "mox"
        # as published: consistency first, MOX switched on in the second half
        route = self._route if stage == LORA and 2 * epoch >= count else None
        for number, chosen in enumerate(batches(sizes, settings.batch_size, (settings.seed, stage, epoch))):
            rows = {name: torch.unique(self._training[name][numbers]) for name, numbers in chosen.items()}
            embedded, present = self._embedded(rows, tuned=stage == LORA)
            loss = loss_of(embedded, present, 1 / settings.temperature, consistent=consistent, route=route)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise anybind.UsageError(
                    "the tuning diverged", where=f"{stage}, epoch {epoch + 1}", got=f"loss {value}",
                    expected="a finite loss", hint="lower --rate, or raise --temperature",
                )  # fmt: skip
            if loss.requires_grad:
                optimiser.step(loss, (epoch + number / steps) / count)
            total += value / steps
        return total

    def _embedded(self, rows: Mapping[str, torch.Tensor], *, tuned: bool) -> tuple[Any, Any]:
        """The rows in the joint space, and which there are; the tuned space through its network where asked."""
        embedded: dict[str, dict[str, torch.Tensor]] = {}
        present: dict[str, dict[str, torch.Tensor]] = {}
        for name, numbers in rows.items():
            part = self._data.parts[name]
            present[name] = {space: mask[numbers] for space, mask in part.present.items()}
            embedded[name] = {}
            for space, vectors in part.vectors.items():
                mask = present[name][space]
                through = tuned and space == self._data.space and bool(mask.any())
                found = self._through_network(name, part, numbers, mask) if through else vectors[numbers]
                embedded[name][space] = self._heads(name, space, found) * mask[:, None]
        return embedded, present

    def _through_network(
        self, name: str, part: Part, numbers: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        samples = self._data.samples(name, numbers[mask].tolist())
        made = self._data.encoder.vectors(samples).to("cpu", torch.float32)
        empty = torch.zeros(len(numbers), made.shape[1])
        return empty.index_copy(0, mask.nonzero()[:, 0], made)

    @torch.no_grad()
    def _held_out(self, stage: str) -> float | None:
        """Mean reciprocal rank of held-out pairs with the tuned space, over data sets, pairs and both directions."""
        found: list[float] = []
        size = self._settings.batch_size
        for name, part in self._data.parts.items():
            if self._data.space not in part.vectors:
                continue
            rows = part.held_out.nonzero()[:_MOST_HELD_OUT, 0]
            blocks = [self._embedded({name: block}, tuned=stage == LORA) for block in torch.split(rows, size)]
            for other in sorted(part.vectors.keys() - {self._data.space}):
                both = (part.present[other] & part.present[self._data.space])[rows]
                if int(both.sum()) >= 2:
                    a, b = (torch.cat([block[0][name][s] for block in blocks])[both] for s in (self._data.space, other))
                    found += [_mrr(a @ b.T), _mrr(b @ a.T)]
        return sum(found) / len(found) if found else None

    def _finished(self) -> dict[str, Any]:
        adapter = self._out / f"{self._data.space}-{self._key}"
        if not adapter.is_dir():
            self._adapter.save(adapter)
        _replace(self._out / "heads.safetensors", save({n: t.detach() for n, t in named(self._heads.weights).items()}))
        last = {stage: [e for e in self._epochs if e["stage"] == stage][-1] for stage in (PROBE, LORA)}
        report = {
            "schema_version": 1, "space": self._data.space, "adapter": str(adapter.resolve()),
            "settings": asdict(self._settings), "before": last[PROBE]["held_out_mrr"],
            "after": last[LORA]["held_out_mrr"], "epochs": self._epochs,
        }  # fmt: skip
        _replace(self._out / "report.json", json.dumps(report, indent=2).encode())
        return report


def _route(graph: Any, settings: Settings) -> tuple[str, ...] | None:
    """The spaces along which MOX carries rows: the target's best route on which data sets pair every two neighbours."""
    start, goal = (graph.resolve(name) for name in settings.target)
    if settings.objective != "mox":
        return None
    for path in graph.plan(start, goal).paths:
        if all(any(edge.kind != "shared-space" for edge in hop.edges) for hop in path.hops):
            return tuple(path.spaces)
    raise anybind.NoPathError(
        "no chain of paired rows joins the target", where=f"{start} - {goal}",
        hint="MOX carries rows along data sets; objective all-pairs needs no chain",
    )  # fmt: skip


def _mrr(table: torch.Tensor) -> float:
    """Ties count half."""
    own = table.diagonal()[:, None]
    ranks = 1 + (table > own).sum(1) + ((table == own).sum(1) - 1) / 2
    return float((1 / ranks).mean())


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)
