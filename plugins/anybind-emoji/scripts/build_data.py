"""Build the shipped data of anybind-emoji from the npm packages openmoji and emojibase-data.

    npm pack openmoji@17.0.0 emojibase-data@17.0.0
    mkdir -p npm/openmoji npm/emojibase
    tar -xzf openmoji-17.0.0.tgz -C npm/openmoji
    tar -xzf emojibase-data-17.0.0.tgz -C npm/emojibase
    pip install resvg-py==0.5.0 pillow==13.0.0
    python scripts/build_data.py npm/openmoji/package npm/emojibase/package --output src/anybind_emoji/data

Three files come out, the same bytes each time with the same versions of the two tools:

- ``pictures.zip``: one PNG per emoji, 128 x 128 pixels, on white, uncompressed inside the archive;
- ``items.jsonl``: one emoji a line, with its groups, its family of near-duplicates and its texts;
- ``manifest.json``: versions and SHA-256 sums of what went in and of what came out.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import resvg_py
from families import families
from PIL import Image

SIZE = 128
BACKGROUND = "#ffffff"
# What the text encoders at hand can read, named as in emojibase-data.
LANGUAGES = ("en", "ja", "de", "es", "fr", "it", "ko", "nl", "pl", "pt", "ru", "th", "zh", "zh-hant")
FLAGS = "flags"
PARTS = {None, 2}  # emojibase groups of mere parts of emoji: regional indicators, skin tones, hair styles
ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def read_json(path: Path) -> Any:
    """The JSON value in a file."""
    return json.loads(path.read_text(encoding="utf-8"))


def by_hexcode(path: Path) -> dict[str, dict[str, Any]]:
    """The rows of one emojibase file by hexcode."""
    return {row["hexcode"]: row for row in read_json(path)}


def package_version(folder: Path, name: str) -> str:
    """The version of an unpacked npm package, which must be the named one."""
    package = read_json(folder / "package.json")
    if package["name"] != name:
        raise SystemExit(f"{folder} holds the npm package {package['name']}, expected {name}")
    return str(package["version"])


def text_of(entry: Mapping[str, Any]) -> str:
    """The text sample of one emoji in one language: ``name: keyword, keyword``."""
    return f"{entry['label']}: {', '.join(entry['tags'])}"


def collect_items(openmoji: Path, emojibase: Path) -> list[dict[str, Any]]:
    """Every emoji that both packages hold, without flags, skin tones and mere parts, in Unicode's order."""
    rows = read_json(openmoji / "data" / "openmoji.json")
    drawn = {row["hexcode"]: row for row in rows if not row["skintone"] and row["group"] != FLAGS}
    texts = {lang: by_hexcode(emojibase / lang / "data.json") for lang in LANGUAGES}
    kept = [row for code, row in texts["en"].items() if code in drawn and row.get("group") not in PARTS]
    kept.sort(key=lambda row: row["order"])
    family = families(row["hexcode"] for row in kept)
    return [
        {
            "id": row["hexcode"],
            "emoji": row["emoji"],
            "name": row["label"],
            "group": drawn[row["hexcode"]]["group"],
            "subgroup": drawn[row["hexcode"]]["subgroups"],
            "family": family[row["hexcode"]],
            "text": {lang: text_of(texts[lang][row["hexcode"]]) for lang in LANGUAGES},
        }
        for row in kept
    ]


def render(svg: str) -> bytes:
    """One picture as PNG: SIZE x SIZE pixels, opaque RGB on white, palette only where that loses nothing."""
    if "<text" in svg:
        raise SystemExit("a picture with text would depend on the fonts of this machine")
    raw = resvg_py.svg_to_bytes(
        svg_string=svg, width=SIZE, height=SIZE, background=BACKGROUND, skip_system_fonts=True
    )
    picture = Image.open(io.BytesIO(raw)).convert("RGB")
    colours = picture.getcolors(256)
    if colours is not None:
        palette = picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=len(colours))
        if palette.convert("RGB").tobytes() == picture.tobytes():
            picture = palette
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def write_pictures(path: Path, pictures: Mapping[str, bytes]) -> None:
    """An archive of PNGs with fixed dates and order, so that the same pictures make the same file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in pictures.items():
            info = zipfile.ZipInfo(f"{name}.png", date_time=ZIP_TIME)
            info.external_attr = 0o644 << 16
            info.create_system = 3
            archive.writestr(info, data)


def sha256(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sum_of(paths: Iterable[Path]) -> str:
    """One SHA-256 over files: of the lines that ``sha256sum`` would print for their bare names, sorted."""
    lines = sorted(f"{sha256(path)}  {path.name}" for path in paths)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def build(openmoji: Path, emojibase: Path, output: Path) -> dict[str, Any]:
    """Write the three data files into ``output`` and return the manifest."""
    items = collect_items(openmoji, emojibase)
    svgs = {item["id"]: openmoji / "color" / "svg" / f"{item['id']}.svg" for item in items}
    output.mkdir(parents=True, exist_ok=True)
    pictures = {name: render(path.read_text(encoding="utf-8")) for name, path in svgs.items()}
    write_pictures(output / "pictures.zip", pictures)
    lines = (json.dumps(item, ensure_ascii=False, separators=(",", ":")) + "\n" for item in items)
    (output / "items.jsonl").write_text("".join(lines), encoding="utf-8", newline="\n")
    manifest = {
        "schema_version": 1,
        "items": len(items),
        "languages": list(LANGUAGES),
        "picture": {"format": "PNG", "size": SIZE, "background": BACKGROUND},
        "tools": {name: version(name) for name in ("resvg-py", "pillow")},
        "inputs": {
            "openmoji": {
                "version": package_version(openmoji, "openmoji"),
                "licence": "CC-BY-SA-4.0",
                "sha256": sum_of([openmoji / "data" / "openmoji.json", *svgs.values()]),
            },
            "emojibase-data": {
                "version": package_version(emojibase, "emojibase-data"),
                "licence": "MIT",
                "sha256": {lang: sha256(emojibase / lang / "data.json") for lang in LANGUAGES},
            },
        },
        "sha256": {name: sha256(output / name) for name in ("items.jsonl", "pictures.zip")},
    }
    text = json.dumps(manifest, indent=2) + "\n"
    (output / "manifest.json").write_text(text, encoding="utf-8", newline="\n")
    return manifest


def main() -> None:
    """Read the command line, build, and say what was built."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("openmoji", type=Path, help="folder of the unpacked npm package openmoji")
    parser.add_argument("emojibase", type=Path, help="folder of the unpacked npm package emojibase-data")
    parser.add_argument("--output", type=Path, required=True, help="folder to write the data files into")
    args = parser.parse_args()
    manifest = build(args.openmoji, args.emojibase, args.output)
    print(f"{manifest['items']} emoji, {len(manifest['languages'])} languages -> {args.output}")


if __name__ == "__main__":
    main()
