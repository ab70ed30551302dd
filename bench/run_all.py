"""Run every benchmark (``make bench``): docs/benchmarks.md is what they print, the README shows the first."""

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
    ("emoji.py", "Picture ↔ Japanese text through English (emoji)"),
    ("graph.py", "Planning: 1,000 spaces, 10,000 data sets, against networkx"),
    ("retrieval.py", "Exact ranks: chunked against a full argsort"),
    ("store.py", "Embedding store against plain numpy files"),
)


def main() -> None:
    """Run the scripts one after the other, so that none slows another down."""
    parts = [
        "# Benchmarks",
        "Made by `make bench`. Speed is given against a reference measured in the same run. "
        f"Python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} cores.",
    ]
    for script, title in SECTIONS:
        print(f"{script} ...", flush=True)
        done = subprocess.run([sys.executable, HERE / script], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{script} failed:\n{done.stderr}")
        print(done.stdout, flush=True)
        if script == "emoji.py":
            _show_in_readme(done.stdout)
        parts += [f"## {title}", f"`python bench/{script}`", _as_markdown(done.stdout.strip())]
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"written to {PAGE}")


def _as_markdown(printed: str) -> str:
    return printed if "|---" in printed else f"```text\n{printed}\n```"


def _show_in_readme(table: str) -> None:
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END, 1)[1]
    README.write_text(f"{before}{BEGIN}{table.strip()}\n\n{MORE}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
