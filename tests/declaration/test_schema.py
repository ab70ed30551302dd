"""The JSON Schema accepts what the loader accepts and refuses the same slips."""

import re

import pytest
import yaml

from anybind.declaration import json_schema


def _fits(value, schema, root):
    """The part of JSON Schema the schema uses, written from the standard."""
    schema = {**root["$defs"][schema["$ref"].rsplit("/", 1)[1]], **schema} if "$ref" in schema else schema
    types = {"object": dict, "array": list, "string": str, "number": (int, float),
             "integer": int, "boolean": bool, "null": type(None)}  # fmt: skip
    wanted = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", types)
    is_bool = isinstance(value, bool)
    checks = [any(isinstance(value, types[t]) and (t == "boolean" or not is_bool) for t in wanted)]
    if "const" in schema:
        checks.append(value == schema["const"] and is_bool == isinstance(schema["const"], bool))
    if "oneOf" in schema:
        checks.append(sum(_fits(value, option, root) for option in schema["oneOf"]) == 1)
    if isinstance(value, str):
        checks.append(
            len(value) <= schema.get("maxLength", len(value)) and len(value) >= schema.get("minLength", 0)
        )
        checks.append(re.search(schema.get("pattern", ""), value) is not None)
    if isinstance(value, int) and not is_bool:
        checks.append(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    if isinstance(value, list):
        checks.append(schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)))
        checks.append(
            not schema.get("uniqueItems") or all(item not in value[:i] for i, item in enumerate(value))
        )
        checks += [_fits(item, schema.get("items", {}), root) for item in value]
    if isinstance(value, dict):
        checks += [key in value for key in schema.get("required", [])]
        checks.append(len(value) >= schema.get("minProperties", 0))
        for key, item in value.items():
            checks.append(_fits(key, schema.get("propertyNames", {}), root))
            inner = schema.get("properties", {}).get(key, schema.get("additionalProperties", {}))
            checks.append(inner if isinstance(inner, bool) else _fits(item, inner, root))
    return all(checks)


def test_the_schema_accepts_the_example_and_the_long_form(tree, replaced):
    schema = json_schema()
    long_form = {"modality": "image", "use": "efficientnet-lite0", "revision": "r1", "any": [1, "x"]}
    assert _fits(tree, schema, schema)
    assert _fits(replaced(tree, ("encoders", "image"), long_form), schema, schema)
    assert _fits(replaced(tree, ("bind", "targets"), "all"), schema, schema)


@pytest.mark.parametrize(
    ("path", "junk"),
    [
        (("version",), 2),
        (("name",), "a b"),
        (("seeds",), []),
        (("seeds", 0), -1),
        (("seeds", 1), 0),
        (("modalities", "text_en"), {}),
        (("encoders",), {}),
        (("encoders", "image"), "lite"),
        (("encoders", "image", "use"), None),
        (("datasets",), {}),
        (("datasets", "pictures", "modalities"), []),
        (("datasets", "pictures", "split"), {"a": 1}),
        (("bind", "targets"), "some"),
        (("bind", "targets", 0), ["a"]),
        (("bind",), {"targets": "all", "methods": "x"}),
        (("evaluate", 0, "pair"), ["a", "a"]),
        (("evaluate", 0), {"pair": ["a", "b"]}),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(path, junk, tree, replaced, problems):
    schema = json_schema()
    broken = replaced(tree, path, junk)
    assert not _fits(broken, schema, schema)
    assert problems(yaml.safe_dump(broken, sort_keys=False))


def test_a_schema_is_a_copy():
    json_schema()["properties"].clear()
    assert json_schema()["properties"]
