"""Mermaid flowcharts as text: nodes named by anything, links in three styles, some highlighted.

Every name and label is escaped, so that no name can end a label, add a line or inject HTML.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

LinkStyle = Literal["solid", "thick", "dotted"]

_ARROWS: dict[LinkStyle, str] = {"solid": "---", "thick": "===", "dotted": "-.-"}
_PLAIN = frozenset(" ._-,:%/+")
_HIGHLIGHT = "stroke:#d6336c,stroke-width:3px"


@dataclass(frozen=True)
class Link:
    """One line of a flowchart between two named nodes."""

    a: str
    b: str
    label: str
    style: LinkStyle = "solid"
    highlighted: bool = False


def escape(text: str) -> str:
    """``text`` for a quoted Mermaid label: everything but letters, digits and plain marks as ``#code;``."""
    return "".join(char if char.isalnum() or char in _PLAIN else f"#{ord(char)};" for char in text)


def flowchart(nodes: Iterable[str], links: Iterable[Link]) -> str:
    """A left-to-right Mermaid flowchart.

    Args:
        nodes: The nodes, in the order to declare them; the ends of all links are among them.
        links: The lines between them. The ends of highlighted links are highlighted too.

    Returns:
        Mermaid source without a trailing newline.
    """
    ids = {name: f"n{number}" for number, name in enumerate(dict.fromkeys(nodes))}
    links = list(links)
    lines = ["flowchart LR"]
    lines += [f'    {node}["{escape(name)}"]' for name, node in ids.items()]
    for link in links:
        lines.append(f'    {ids[link.a]} {_ARROWS[link.style]}|"{escape(link.label)}"| {ids[link.b]}')
    marked = [number for number, link in enumerate(links) if link.highlighted]
    if marked:
        ends = dict.fromkeys(end for link in links if link.highlighted for end in (link.a, link.b))
        lines.append(f"    linkStyle {','.join(map(str, marked))} {_HIGHLIGHT}")
        lines += [f"    style {ids[end]} {_HIGHLIGHT}" for end in ends]
    return "\n".join(lines)
