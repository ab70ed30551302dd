"""Describing, planning and checking start without torch: it takes seconds to import, and may be broken."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

GRAPH = """\
version: 1
name: tiny
encoders:
  image: {use: toy-image}
  text: {use: toy-text}
datasets:
  pairs: {use: manifest, path: pairs.csv, modalities: [image, text]}
bind:
  targets: [[image, text]]
  method: pcca
"""
COMMANDS = {
    "help": ["--help"],
    "version": ["--version"],
    "schema": ["schema"],
    "plugins list": ["plugins", "list"],
    "plugins list as JSON": ["plugins", "list", "--json"],
    "plugins search": ["plugins", "search", "audio"],
    "plugins new": ["plugins", "new", "wrist", "--modality", "gait"],
    "validate": ["validate", "graph.yaml"],
    "plan": ["plan", "graph.yaml"],
    "plan over the catalogue": ["plan", "--catalogue", "audio", "touch"],
}
CORE = Path(__file__).parents[2] / "core" / "anybind"


def run_python(*arguments, cwd, first_on_path=()):
    paths = [*map(str, first_on_path), str(CORE.parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, check=False, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )


def test_the_low_layers_never_import_torch(sources, tmp_path):
    layers = {module: sources.layer(module) for module in sources.core_modules()}
    highest = sources.torch_free_up_to
    low = [module for module, layer in layers.items() if layer is not None and layer <= highest]
    assert len(low) > 10
    code = "import importlib, sys\nfor module in sys.argv[1:]:\n    importlib.import_module(module)\n"
    code += "    if 'torch' in sys.modules: sys.exit(f'{module} imports torch')\n"
    result = run_python("-c", code, "anybind", *low, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.fixture
def workplace(tmp_path):
    """A folder with a graph, and a torch that kills whoever imports it."""
    poison = tmp_path / "poison" / "torch"
    poison.mkdir(parents=True)
    kill = "import os, sys\nprint('torch!', file=sys.stderr, flush=True)\nos._exit(99)\n"
    (poison / "__init__.py").write_text(kill)
    (tmp_path / "graph.yaml").write_text(GRAPH)
    (tmp_path / "pairs.csv").write_text("id,image,text\na,a.png,one\nb,b.png,two\nc,c.png,three\n")
    return tmp_path


def test_the_poison_works(workplace):
    result = run_python("-c", "import torch", cwd=workplace, first_on_path=[workplace / "poison"])
    assert (result.returncode, result.stderr.strip()) == (99, "torch!")


@pytest.mark.skipif(not (CORE / "__main__.py").exists(), reason="there is no command line yet")
@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_commands_that_only_look_never_import_torch(workplace, arguments):
    result = run_python("-m", "anybind", *arguments, cwd=workplace, first_on_path=[workplace / "poison"])
    assert result.returncode == 0, result.stderr
    assert result.stdout
