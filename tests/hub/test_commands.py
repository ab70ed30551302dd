"""``anybind push`` and ``pull`` as a user types them, and other people's clients on what was pushed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from loopback_hub import LoopbackHub

NAME = "alice/binder"


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def shell(hub: LoopbackHub, tmp_path: Path) -> Any:
    """Run a command as alice, whose home is empty, against the hub on loopback."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        "HF_ENDPOINT": hub.endpoint, "HF_TOKEN": "hf_alice", "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1", "NO_COLOR": "1",
    }  # fmt: skip

    def run(*command: object, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(part) for part in command], cwd=tmp_path, env=environment | more, text=True, capture_output=True,
            check=False, timeout=120,
        )  # fmt: skip

    return run


ANYBIND = (sys.executable, "-m", "anybind")


def test_push_pull_and_use_by_name(hub: LoopbackHub, folder: Path, shell: Any, tmp_path: Path) -> None:
    dry = shell(*ANYBIND, "push", folder, NAME, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "would be uploaded  config.json" in dry.stdout
    done = shell(*ANYBIND, "push", folder, NAME, "--private", "--tag", "v1", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["commit"] == hub.repo(NAME).refs["main"] == hub.repo(NAME).refs["v1"]
    assert told["schema_version"] == 1
    pulled = shell(*ANYBIND, "pull", NAME, "--revision", "v1", "--out", "mine", "--json")
    assert pulled.returncode == 0, pulled.stderr
    assert json.loads(pulled.stdout)["revision"] == told["commit"]
    assert contents(tmp_path / "mine") == contents(folder)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["pull", "alice/nothing"], 1, "no such repository"),
        (["push", "nowhere", NAME], 1, "this is no saved binder"),
        (["push", "."], 2, "OWNER/NAME"),
        (["pull", "nonsense"], 2, "expected: owner/name"),
    ],
)
def test_errors_for_people(shell: Any, arguments: list[str], code: int, told: str) -> None:
    done = shell(*ANYBIND, *arguments)
    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_the_hf_command_reads_what_was_pushed(hub: LoopbackHub, folder: Path, shell: Any, tmp_path: Path) -> None:
    hf = shutil.which("hf", path=str(Path(sys.executable).parent))
    assert hf
    assert shell(*ANYBIND, "push", folder, NAME).returncode == 0
    done = shell(hf, "download", NAME, "--local-dir", "copy")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(tmp_path / "copy" / ".cache")
    (tmp_path / "copy" / ".gitattributes").unlink()
    assert contents(tmp_path / "copy") == contents(folder)


JAVASCRIPT = """
import {{ listFiles, downloadFile }} from "@huggingface/hub";
const repo = {{ type: "model", name: "{name}" }}, hubUrl = "{endpoint}", accessToken = "hf_alice";
const sizes = {{}};
for await (const file of listFiles({{ repo, hubUrl, accessToken, recursive: true }})) {{
  const blob = await downloadFile({{ repo, path: file.path, hubUrl, accessToken, xet: false }});
  sizes[file.path] = (await blob.arrayBuffer()).byteLength;
}}
console.log(JSON.stringify(sizes));
"""


def test_the_javascript_client_reads_what_was_pushed(
    hub: LoopbackHub, folder: Path, shell: Any, tmp_path: Path
) -> None:
    """Needs node, and ANYBIND_NODE_MODULES: a node_modules folder that holds @huggingface/hub."""
    modules = os.environ.get("ANYBIND_NODE_MODULES")
    if modules is None or shutil.which("node") is None:
        pytest.skip("ANYBIND_NODE_MODULES does not name a node_modules folder with @huggingface/hub")
    assert shell(*ANYBIND, "push", folder, NAME).returncode == 0
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "read.mjs").write_text(JAVASCRIPT.format(name=NAME, endpoint=hub.endpoint))
    done = shell("node", "read.mjs")
    assert done.returncode == 0, done.stderr
    sizes = {name: len(content) for name, content in hub.files(NAME).items()}
    assert json.loads(done.stdout) == sizes
