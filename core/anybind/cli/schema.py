"""``anybind schema``: the JSON Schema of graph files."""

from __future__ import annotations

import json

from anybind.cli.common import command
from anybind.cli.output import Output


@command("schema")
def schema(out: Output) -> None:
    """Print the JSON Schema of graph files, for editors.

    \b
    anybind schema > graph.schema.json
    and as the first line of a graph: # yaml-language-server: $schema=graph.schema.json
    """
    from anybind.declaration import json_schema

    found = json_schema()
    out.result({"schema": found}, [json.dumps(found, indent=2)])
