"""Mermaid text: nothing in a name can end a label, add a line or inject HTML."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anybind.mermaid import Link, escape, flowchart


def test_a_flowchart_declares_nodes_links_and_highlights():
    links = [
        Link("image", "text", "captions", highlighted=True),
        Link("text", "audio", "clap", "thick"),
        Link("image", "audio", "same items", "dotted"),
    ]
    assert flowchart(["image", "text", "audio"], links).splitlines() == [
        "flowchart LR",
        '    n0["image"]',
        '    n1["text"]',
        '    n2["audio"]',
        '    n0 ---|"captions"| n1',
        '    n1 ===|"clap"| n2',
        '    n0 -.-|"same items"| n2',
        "    linkStyle 0 stroke:#d6336c,stroke-width:3px",
        "    style n0 stroke:#d6336c,stroke-width:3px",
        "    style n1 stroke:#d6336c,stroke-width:3px",
    ]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("text_ja", "text_ja"),
        ('say "hi"', "say #34;hi#34;"),
        ("<script>", "#60;script#62;"),
        ("a\nb", "a#10;b"),
        ("x];y", "x#93;#59;y"),
        ("#35;", "#35;35#59;"),
        ("`md`", "#96;md#96;"),
        ("画像", "画像"),
    ],
)
def test_names_are_escaped(name, label):
    assert escape(name) == label
    assert f'n0["{label}"]' in flowchart([name], [])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(), st.text(), st.text())
def test_any_names_make_one_line_each(a, b, label):
    nodes = list(dict.fromkeys([a, b]))
    lines = flowchart(nodes, [Link(a, b, label)]).split("\n")
    assert len(lines) == 2 + len(nodes)
    for line in lines[1:]:
        text = re.search(r'"(.*)"', line).group(1)
        assert not re.search(r'["<>`\[\]|\r\n]', text)


def test_a_node_given_twice_is_declared_once():
    assert flowchart(["a", "b", "a"], []).count("[") == 2
