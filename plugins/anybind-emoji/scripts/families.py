"""Which emoji are near-duplicates of each other: families, which must stay in one split.

A family holds pictures that are one drawing but for a detail: the gender, hair or facing of a person, who
makes up a couple or family, the hands of a clock, the lit part of the moon, the digit on a key, the colour
of a heart, the direction of an arrow. Their names share most words too, so that a training picture from
the same family would give a test picture away.
"""

from __future__ import annotations

from collections.abc import Iterable

JOINER = "200D"
VARIATION = "FE0F"
PERSON = "1F9D1"
ADULTS = {"1F468", "1F469", PERSON}
CHILDREN = {"1F466", "1F467", "1F9D2"}
# Male and female sign, "facing right", and the four hair styles, as they stand behind a joiner.
DETAILS = {"2640", "2642", "27A1", "1F9B0", "1F9B1", "1F9B2", "1F9B3"}

# Variants that have a code point of their own, so that no rule over sequences finds them.
SETS: dict[str, tuple[str, ...]] = {
    name: tuple(members.split())
    for name, members in {
        "child": "1F9D2 1F466 1F467",
        "adult": "1F9D1 1F471 1F9D4",
        "older": "1F9D3 1F474 1F475",
        "crown": "1FAC5 1F934 1F478",
        "claus": "1F9D1-1F384 1F385 1F936",
        "pregnant": "1FAC4 1FAC3 1F930",
        "feeding": "1F9D1-1F37C 1F931",
        "dancing": "1F57A 1F483",
        "holding-hands": "1F9D1-1F91D-1F9D1 1F46B 1F46C 1F46D",
        "kiss": "1F9D1-2764-1F48B-1F9D1 1F48F",
        "heart-couple": "1F9D1-2764-1F9D1 1F491",
        "family": "1F46A",
        "bust": "1F464 1F465",
        "restroom": "1F6BB 1F6B9 1F6BA",
        "gender-sign": "2640 2642 26A7",
        "palm": "1FAF3 1FAF4",
        "side-hand": "1FAF1 1FAF2",
        "pushing-hand": "1FAF7 1FAF8",
        "side-fist": "1F91B 1F91C",
        "pointing": "1F446 1F447 1F448 1F449",
        "thumb": "1F44D 1F44E",
        "magnifier": "1F50D 1F50E",
        "globe": "1F30D 1F30E 1F30F",
        "moon-phase": "1F311 1F312 1F313 1F314 1F315 1F316 1F317 1F318",
        "moon-face": "1F31B 1F31C",
        "clock": (
            "1F550 1F551 1F552 1F553 1F554 1F555 1F556 1F557 1F558 1F559 1F55A 1F55B 1F55C 1F55D "
            "1F55E 1F55F 1F560 1F561 1F562 1F563 1F564 1F565 1F566 1F567"
        ),
        "keycap": (
            "0030-20E3 0031-20E3 0032-20E3 0033-20E3 0034-20E3 0035-20E3 0036-20E3 0037-20E3 "
            "0038-20E3 0039-20E3 0023-20E3 002A-20E3 1F51F"
        ),
        "medal": "1F947 1F948 1F949",
        "banknote": "1F4B4 1F4B5 1F4B6 1F4B7",
        "book": "1F4D5 1F4D7 1F4D8 1F4D9",
        "mailbox": "1F4EA 1F4EB 1F4EC 1F4ED",
        "speaker": "1F507 1F508 1F509 1F50A",
        "heart": "2764 1FA77 1F9E1 1F49B 1F49A 1F499 1FA75 1F49C 1F90E 1F5A4 1FA76 1F90D",
        "circle": "1F534 1F7E0 1F7E1 1F7E2 1F535 1F7E3 1F7E4 26AB 26AA",
        "square": (
            "1F7E5 1F7E7 1F7E8 1F7E9 1F7E6 1F7EA 1F7EB 2B1B 2B1C 25FC 25FB 25FE 25FD 25AA 25AB 1F532 1F533"
        ),
        "diamond": "1F536 1F537 1F538 1F539",
        "triangle": "1F53A 1F53B",
        "straight-arrow": "2B06 2197 27A1 2198 2B07 2199 2B05 2196 2195 2194",
        "curved-arrow": "21A9 21AA 2934 2935",
        "button-triangle": "25B6 25C0 1F53C 1F53D",
        "button-fast": "23E9 23EA 23EB 23EC",
        "button-track": "23ED 23EE",
        "brightness": "1F505 1F506",
        "question-mark": "2753 2754",
        "exclamation-mark": "2755 2757",
        "frowning-face": "1F641 2639",
        "horned-face": "1F608 1F47F",
        "padlock": "1F512 1F513",
        "six-pointed-star": "2721 1F52F",
        "bird": "1F426 1F426-2B1B",
        "tray": "1F4E4 1F4E5",
    }.items()
}
_SET_OF = {member: name for name, members in SETS.items() for member in members}


def family_name(hexcode: str) -> str:
    """The family of one emoji, by rule alone; an emoji without relatives is a family of its own.

    Args:
        hexcode: Code points in hexadecimal joined by hyphens, e.g. ``1F9D1-200D-1F373``.
    """
    parts = [part for part in hexcode.split("-") if part not in (JOINER, VARIATION)]
    kept = [parts[0], *(part for part in parts[1:] if part not in DETAILS)]
    base = [PERSON if part in ADULTS else part for part in kept]
    if len(base) > 1 and set(base) <= {PERSON, *CHILDREN}:
        return "family"
    core = "-".join(base)
    return _SET_OF.get(core, core)


def families(hexcodes: Iterable[str]) -> dict[str, str]:
    """Hexcode -> its family, named by the family's first member in the order given."""
    first: dict[str, str] = {}
    return {hexcode: first.setdefault(family_name(hexcode), hexcode) for hexcode in hexcodes}
