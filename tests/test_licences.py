"""What the parts ask for, the whole asks for; where that cannot be had, a person decides."""

from __future__ import annotations

import pytest

from anybind.licences import KNOWN, combined, licence_names


def whole(*licences: str | None) -> str:
    return combined({f"part {i}": licence for i, licence in enumerate(licences)}).hub


@pytest.mark.parametrize(
    ("licences", "hub"),
    [
        (["MIT"], "mit"),
        (["MIT", "Apache-2.0"], "apache-2.0"),
        (["Apache-2.0 AND MIT AND CC0-1.0"], "apache-2.0"),
        (["MIT", "CC-BY-4.0"], "cc-by-4.0"),
        (["MIT", "CC-BY-2.0", "CC-BY-3.0"], "cc-by-3.0"),
        (["CC0-1.0", "MIT"], "mit"),
        (["CC0-1.0"], "cc0-1.0"),
        (["Zlib", "CC0-1.0"], "zlib"),
        (["CC-BY-4.0", "CC-BY-SA-4.0", "Apache-2.0"], "cc-by-sa-4.0"),
        (["CC-BY-NC-4.0", "MIT"], "cc-by-nc-4.0"),
        (["CC-BY-NC-SA-4.0", "CC-BY-NC-4.0", "MIT"], "cc-by-nc-sa-4.0"),
        (["Apache-2.0 AND CC-BY-SA-4.0 AND MIT", "apache-2.0"], "cc-by-sa-4.0"),
    ],
)
def test_the_whole_asks_for_what_its_parts_ask_for(licences: list[str], hub: str) -> None:
    assert whole(*licences) == hub
    assert whole(*reversed(licences)) == hub


@pytest.mark.parametrize(
    ("licences", "told"),
    [
        (["CC-BY-SA-4.0", "CC-BY-NC-4.0"], "forbids that"),
        (["CC-BY-SA-4.0", "CC-BY-NC-SA-4.0"], "each ask that adaptations have their own licence"),
        (["GPL-3.0-only", "CC-BY-SA-4.0"], "each ask"),
        (["CC-BY-ND-4.0", "MIT"], "does not allow adaptations"),
    ],
)
def test_what_cannot_be_had_together_is_told(licences: list[str], told: str) -> None:
    found = combined(dict(zip("ab", licences, strict=True)))
    assert found.hub == "other"
    assert found.needs_decision
    assert told in " ".join(found.reasons)
    assert all(licence in " ".join(found.reasons) for licence in licences if licence != "MIT")


@pytest.mark.parametrize("licence", [None, "unknown", "", "My-Own-1.0", "MIT OR Apache-2.0", "MIT AND My-Own-1.0"])
def test_a_licence_that_is_not_known_needs_a_person(licence: str | None) -> None:
    found = combined({"encoder x": licence, "encoder y": "MIT"})
    assert found.hub == "other"
    assert found.reasons == ("the licence of encoder x is not known",)


def test_every_part_is_listed_under_its_licence() -> None:
    found = combined({"b": "MIT", "a": "MIT AND CC-BY-4.0", "c": None})
    assert found.parts == {"CC-BY-4.0": ("a",), "MIT": ("a", "b"), "unknown": ("c",)}


def test_gpl_in_two_spellings_is_no_conflict() -> None:
    assert not combined({"a": "GPL-3.0-only", "b": "GPL-3.0-or-later"}).conflicts


def test_expressions_are_split_at_and() -> None:
    assert licence_names("Apache-2.0 AND MIT") == ["Apache-2.0", "MIT"]
    assert licence_names("unknown") == []


def test_the_table_names_every_licence_once_and_as_the_hub_does() -> None:
    assert len({licence.name for licence in KNOWN.values()}) == len(KNOWN)
    assert all(licence.hub == licence.hub.lower() for licence in KNOWN.values())
