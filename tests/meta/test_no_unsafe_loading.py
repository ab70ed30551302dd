"""Nothing that is read can run code: no pickle, no eval, no unsafe YAML, no remote code."""

import ast
import re
from textwrap import dedent

import pytest

MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "shelve"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
CALLS = {
    *("torch.load", "torch.save", "torch.jit.load", "torch.hub.load"),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.full_load_all"),
    *("yaml.unsafe_load", "yaml.unsafe_load_all"),
    *("builtins.eval", "builtins.exec", "os.system"),
}
FLAGS = {"allow_pickle", "trust_remote_code", "shell"}
# Encoders must take the weights of others as they come: plugins, and what the core gives to them, may load tensors
# from a pickle with torch.load(weights_only=True), and name what that raises. The rest of the core has no such excuse.
WEIGHT_READER = "core/anybind/encoder_kit/checkpoints.py"
EXCUSED = {"torch.load(weights_only=True)", "pickle.UnpicklingError"}
# A plugin's examples (examples.py, tiny*.py) write tiny checkpoints in the true format, which may be an old one.
EXCUSED_IN_EXAMPLES = {"torch.save"}


def excuses(name):
    """What a file, by its path in the repository, may use."""
    if re.fullmatch(r"plugins/.*/(examples|tiny\w*)\.py", name):
        return EXCUSED | EXCUSED_IN_EXAMPLES
    return EXCUSED if name.startswith("plugins/") or name == WEIGHT_READER else set()


def unsafe(tree):
    """{(line, what)}: every forbidden name that a parsed file uses."""
    aliases, found = {}, set()
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    safe_loads = {id(call.func) for call in calls if loads_weights(call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {(node.lineno, f"{node.module}.{alias.name}") for alias in node.names}
        elif isinstance(node, ast.keyword) and node.arg in FLAGS and ast.unparse(node.value) != "False":
            found.add((node.value.lineno, f"{node.arg}={ast.unparse(node.value)}"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in BUILTINS:
            found.add((node.lineno, node.id))
        elif isinstance(node, ast.Attribute):
            head, _, rest = ast.unparse(node).partition(".")
            safe = "(weights_only=True)" if id(node) in safe_loads else ""
            found.add((node.lineno, f"{aliases.get(head, head)}.{rest}{safe}"))
    return sorted((line, what) for line, what in found if is_forbidden(what))


def loads_weights(call):
    return "weights_only=True" in [ast.unparse(keyword) for keyword in call.keywords]


def is_forbidden(what):
    name = what.partition("(")[0]
    return name in CALLS | BUILTINS or name.split(".")[0] in MODULES or name.split("=")[0] in FLAGS


@pytest.mark.parametrize("pattern", ["core/**/*.py", "plugins/*/src/**/*.py"])
def test_nothing_that_is_loaded_can_run_code(sources, pattern):
    files = {path.relative_to(sources.root).as_posix(): path for path in sources.files(pattern)}
    assert files
    found = [
        f"{name}:{line}: {what}"
        for name, path in files.items()
        for line, what in unsafe(sources.tree(path))
        if what not in excuses(name)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("import pickle\npickle.loads(b'')", "pickle.loads"),
        ("import pickle as p\np.loads(b'')", "pickle.loads"),
        ("from joblib import load", "joblib.load"),
        ("import torch\ntorch.load('x')", "torch.load"),
        ("import torch\ntorch.load('x', weights_only=flag)", "torch.load"),
        ("import torch\ntorch.load('x', weights_only=True)", "torch.load(weights_only=True)"),
        ("import torch as t\nload = t.load", "torch.load"),
        ("from torch import load as l", "torch.load"),
        ("import yaml as y\ny.load('x', Loader=y.SafeLoader)", "yaml.load"),
        ("import numpy as np\nnp.load('x', allow_pickle=True)", "allow_pickle=True"),
        ("import numpy as np\nnp.load('x', allow_pickle=flag)", "allow_pickle=flag"),
        ("f(trust_remote_code=True)", "trust_remote_code=True"),
        ("x = eval('1')", "eval"),
        ("def f():\n    exec('1')", "exec"),
    ],
)
def test_the_check_finds_what_it_looks_for(code, what):
    assert [found for _, found in unsafe(ast.parse(code))] == [what]


def test_the_check_lets_safe_code_pass():
    code = """
        import re, yaml, numpy as np
        np.load("x", allow_pickle=False)
        re.compile("x")
        yaml.safe_load("x")
        model.eval()
        "eval"
    """
    assert unsafe(ast.parse(dedent(code))) == []
