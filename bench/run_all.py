"""Run every benchmark (``make bench``): docs/benchmarks.md is what they print, the README shows the first table.

Takes some hours on one core, most of them for emoji.py, which keeps what it measured and goes on from there.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
README = HERE.parent / "README.md"
MORE = "Speed and memory are in [docs/benchmarks.md](docs/benchmarks.md)."
BEGIN, END = "<!-- results:begin -->\n", "<!-- results:end -->"
SECTIONS = (
    ("emoji.py", "Picture ↔ Japanese text (emoji): every method, few pairs, a chain"),
    ("synthetic.py", "A synthetic world: shares of the oracle"),
    ("side_by_side.py", "Side by side with cca-zoo and InfoNCE heads on paired data"),
    ("centrobind.py", "CentroBind against every fixed anchor and all pairs"),
    ("calmrl.py", "CalMRL: imputation, anchor shift, and training with missing modalities"),
    ("forecast.py", "Forecasts against what true pairs show"),
    ("calibration.py", "Probabilities that two rows are the same item: do they come true?"),
    ("uncertainty.py", "Imputed vectors and fused queries"),
    ("graph.py", "Planning: 1,000 spaces, 10,000 data sets, against networkx"),
    ("retrieval.py", "Exact ranks: chunked against a full argsort, and against faiss"),
    ("store.py", "Embedding store against plain numpy files"),
)


def main() -> None:
    """Run the scripts named (all by default) one after the other, so that none slows another down."""
    wanted = sys.argv[1:] or [script for script, _ in SECTIONS]
    for script, title in SECTIONS:
        if script not in wanted:
            continue
        print(f"{script} ...", flush=True)
        done = subprocess.run([sys.executable, HERE / script], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{script} failed:\n{done.stderr}")
        print(done.stdout, flush=True)
        if script == "emoji.py":
            _show_in_readme(done.stdout.split("### ")[1])
        _write_section(title, f"`python bench/{script}`\n\n{_as_markdown(done.stdout.strip())}")
    print(f"written to {PAGE}")


def _write_section(title: str, body: str) -> None:
    """Put a section in its place on the page; the others stay as they are."""
    text = PAGE.read_text("utf-8") if PAGE.exists() else ""
    known = dict(part.split("\n", 1) for part in f"\n{text}".split("\n## ")[1:])
    known[title] = f"\n{body}\n"
    head = (
        "# Benchmarks\n\nMade by `make bench`. Speed is given against a reference measured in the same run. "
        f"Python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} cores.\n"
    )
    parts = [f"\n## {name}\n\n{known[name].strip()}\n" for _, name in SECTIONS if name in known]
    PAGE.write_text(head + "".join(parts), encoding="utf-8")


def _as_markdown(printed: str) -> str:
    return printed if "|---" in printed or "| ---" in printed else f"```text\n{printed}\n```"


def _show_in_readme(table: str) -> None:
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END, 1)[1]
    table = table.split("\n", 1)[1]  # without its title
    README.write_text(f"{before}{BEGIN}{table.strip()}\n\n{MORE}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
