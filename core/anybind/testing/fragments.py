"""Whether a piece of HTML can be put into a page as it is."""

from __future__ import annotations

import re
from html.parser import HTMLParser

# Elements that run, fetch or reach into the page around them.
_FORBIDDEN = {
    "applet", "base", "body", "embed", "form", "frame", "frameset", "head", "html", "iframe", "link", "meta", "object",
    "script", "title",
}  # fmt: skip
_REFERENCES = {"action", "background", "data", "formaction", "href", "poster", "src", "xlink:href"}
_VOID = {"area", "br", "col", "hr", "img", "input", "source", "track", "wbr"}
_URL_IN_STYLE = re.compile(r"url\(\s*['\"]?(?!data:|#)|@import", re.IGNORECASE)


def unsafe_parts(fragment: str) -> list[str]:
    """What is wrong with a fragment, a few words for each; empty when it is safe.

    It may hold no element or attribute that runs anything, no reference but into itself (``data:`` and ``#``), and
    every element that it opens it must close.
    """
    reader = _Reader()
    reader.feed(fragment)
    reader.close()
    return [*reader.faults, *(f"<{tag}> is not closed" for tag in reader.open)]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _FORBIDDEN:
            self.faults.append(f"<{tag}>")
        if tag not in _VOID:
            self.open.append(tag)
        self.faults += [f"{name} of <{tag}>" for name, value in attrs if _is_unsafe(name, value or "")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.faults.append(f"</{tag}> closes nothing")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style" and _URL_IN_STYLE.search(data):
            self.faults.append("a reference in <style>")


def _is_unsafe(name: str, value: str) -> bool:
    if name.startswith("on") or name in ("srcdoc", "srcset"):  # a list of references is not worth reading
        return True
    if name in _REFERENCES:
        return not value.strip().lower().startswith(("data:", "#"))
    return name == "style" and _URL_IN_STYLE.search(value) is not None
