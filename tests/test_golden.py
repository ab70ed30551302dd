"""Every format that was ever released loads, and gives what it gave; see tests/golden/make.py."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch

import anybind
from anybind.artifact import FILES, FORMAT_VERSION, read_artifact
from anybind.builtin.plugin import anybind_binders

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("v*/*/scores.json"))
NAMES = [str(case.relative_to(GOLDEN)) for case in CASES]

every_case = pytest.mark.parametrize("case", CASES, ids=NAMES)


def told(case: Path) -> Any:
    return json.loads((case / "scores.json").read_text(encoding="utf-8"))


def close(found: torch.Tensor, expected: Any) -> None:
    """Within rounding: 1e-5 of what it is, or of the largest number."""
    wanted = torch.tensor(expected, dtype=torch.float32)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5 * float(wanted.abs().max()))


@every_case
def test_it_loads_and_gives_what_it_gave(case: Path) -> None:
    binder, expected = anybind.Binder.from_pretrained(case / "binder"), told(case)
    rows = expected["rows"]
    for pair, scores in expected["scores"].items():
        a, b = pair.split()
        close(binder.score(a, rows[a], b, rows[b]), scores)
    for space, embedded in expected["embedded"].items():
        close(binder.embed(space, rows[space]), embedded)


@every_case
def test_it_can_be_saved_again_and_gives_the_same(case: Path, tmp_path: Path) -> None:
    first = anybind.Binder.from_pretrained(case / "binder")
    again = anybind.Binder.from_pretrained(first.save_pretrained(tmp_path / "again"))
    rows = told(case)["rows"]
    assert torch.equal(first.score("a", rows["a"], "c", rows["c"]), again.score("a", rows["a"], "c", rows["c"]))
    assert again.training == first.training
    assert again.spaces == first.spaces


def test_moments_of_old_can_be_gone_on_from() -> None:
    cases = [case for case in CASES if (case / "binder" / "moments.safetensors").exists()]
    assert {case.parent.name for case in cases} == {f"v{n}" for n in range(1, FORMAT_VERSION + 1)}
    for case in cases:
        binder, rows = anybind.Binder.from_pretrained(case / "binder"), told(case)["rows"]
        grown = binder.partial_fit({"more": {space: rows[space] for space in "ac"}})
        assert set(grown.training.datasets) == {*binder.training.datasets, "more"}


def test_all_formats_methods_and_files_are_there() -> None:
    """Whoever raises the format, or adds a method or a kind of file, adds cases."""
    configs = {case: read_artifact(case / "binder").config for case in CASES}
    assert {case.parent.name for case in CASES} == {f"v{n}" for n in range(1, FORMAT_VERSION + 1)}
    assert all(case.parent.name == f"v{config.format_version}" for case, config in configs.items())
    current = [config for config in configs.values() if config.format_version == FORMAT_VERSION]
    assert {config.method for config in current} == {spec.name for spec in anybind_binders()}
    assert {name for config in current for name in config.files} == {*FILES}
    assert sum(file.stat().st_size for case in CASES for file in case.rglob("*")) < 400_000 * FORMAT_VERSION


def test_the_script_writes_what_is_missing_and_touches_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("golden_make", GOLDEN / "make.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert {f"v{FORMAT_VERSION}/{case}" for case in script.CASES} <= set(NAMES)
    monkeypatch.setattr(script, "HERE", tmp_path)
    monkeypatch.setattr(script, "CASES", {name: script.CASES[name] for name in ("pcca", "ridge-chain")})
    kept = tmp_path / f"v{FORMAT_VERSION}" / "pcca"
    kept.mkdir(parents=True)
    script.main()
    assert list(kept.iterdir()) == []
    made = kept.with_name("ridge-chain")
    assert {p.name for p in made.iterdir()} == {"binder", "scores.json"}
    sums = [hashlib.sha256((made / "binder" / "model.safetensors").read_bytes()).hexdigest()]
    script.make("ridge-chain", tmp_path / "again")
    sums.append(hashlib.sha256((tmp_path / "again" / "binder" / "model.safetensors").read_bytes()).hexdigest())
    assert sums[0] == sums[1]
