"""Whether a graph's spaces are those a binder was fitted on: the same encoders, revisions, options and dims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from anybind.workflow.vectors import space_info

if TYPE_CHECKING:
    from anybind.artifact import SpaceInfo
    from anybind.workflow.graph import Graph


def other_encoders(
    graph: Graph, spaces: Mapping[str, SpaceInfo], *, ignore_paths: bool = False
) -> Iterator[tuple[str, str, str]]:
    """The spaces of a graph that a binder knows by another encoder: name, the binder's, the graph's.

    Args:
        graph: The graph.
        spaces: The binder's; those fitted on arrays fit any encoder.
        ignore_paths: Whether options that are paths may differ, as they do between machines.
    """
    for name, space in graph.spaces.items():
        fitted = spaces.get(name)
        if fitted is None or fitted.encoder is None:
            continue
        specs = graph.registry.encoder(space.encoder).spec.options
        ignored = {option for option, spec in specs.items() if ignore_paths and spec.type == "path"}
        made_by, wanted = (_words(info, ignored) for info in (fitted, space_info(graph, space)))
        if made_by != wanted:
            yield name, made_by, wanted


def _words(info: SpaceInfo, ignored: set[str]) -> str:
    options = {name: value for name, value in sorted(info.options.items()) if name not in ignored}
    return f"{info.encoder}, revision {info.revision}, options {options}, {info.dim} dims"
