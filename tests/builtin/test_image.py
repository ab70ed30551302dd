"""Pictures become RGB whatever they were, and broken or oversized ones become errors."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from anybind.builtin import image
from anybind.builtin.image import Image
from anybind.errors import DataError, PluginError
from anybind.specs import ModalitySpec

IMAGE = Image(ModalitySpec(name="image", factory="anybind.builtin.image:Image"))


def encoded(picture: PIL.Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return buffer.getvalue()


def gradient() -> PIL.Image.Image:
    values = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)
    return PIL.Image.fromarray(values)


def test_paths_bytes_and_pictures_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(gradient()))
    loaded = IMAGE.load(path)
    IMAGE.check(loaded)
    for source in (str(path), path.read_bytes(), gradient(), loaded, IMAGE.load(loaded)):
        np.testing.assert_array_equal(np.asarray(IMAGE.load(source)), np.asarray(gradient()))


def test_loading_leaves_the_source_and_no_open_file_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(gradient()))
    picture = IMAGE.load(path)
    path.unlink()
    assert picture.getpixel((0, 0)) == (0, 1, 2)
    transparent = PIL.Image.new("RGBA", (1, 1), (255, 0, 0, 0))
    IMAGE.load(transparent)
    assert transparent.mode == "RGBA"


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "LAB", "HSV"])
def test_every_mode_of_8_bits_becomes_rgb(mode: str) -> None:
    IMAGE.check(IMAGE.load(PIL.Image.new(mode, (3, 2))))


def test_transparency_is_laid_on_white() -> None:
    half = PIL.Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    half.putpixel((1, 0), (200, 0, 0, 128))
    picture = IMAGE.load(encoded(half))
    assert picture.getpixel((0, 0)) == (255, 255, 255)
    # straight alpha over white: c·a + 255·(1 - a)
    expected = [round(c * 128 / 255 + 255 * (1 - 128 / 255)) for c in (200, 0, 0)]
    np.testing.assert_allclose(picture.getpixel((1, 0)), expected, atol=1)


def test_transparency_of_palettes_and_grey_is_laid_on_white() -> None:
    palette = PIL.Image.new("P", (1, 1), 0)
    palette.putpalette([10, 20, 30] * 256)
    assert IMAGE.load(encoded(palette, transparency=0)).getpixel((0, 0)) == (255, 255, 255)
    assert IMAGE.load(encoded(palette)).getpixel((0, 0)) == (10, 20, 30)
    grey = PIL.Image.new("LA", (1, 1), (0, 0))
    assert IMAGE.load(encoded(grey)).getpixel((0, 0)) == (255, 255, 255)
    keyed = encoded(PIL.Image.new("RGB", (1, 1), (1, 2, 3)), transparency=(1, 2, 3))
    assert IMAGE.load(keyed).mode == "RGB"


def test_pictures_are_turned_as_exif_says() -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    content = encoded(gradient(), "JPEG", exif=exif, quality=95)
    once = IMAGE.load(content)
    assert once.size == (6, 4)
    assert IMAGE.load(once).size == (6, 4), "turned once only"


def test_the_first_frame_of_an_animation() -> None:
    frames = [PIL.Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert IMAGE.load(content).getpixel((0, 0)) == (255, 0, 0)


def test_more_than_8_bits_a_channel_is_not_guessed_at() -> None:
    deep = PIL.Image.fromarray(np.full((2, 2), 40_000, dtype=np.uint16))
    for source in (deep, encoded(deep), PIL.Image.new("F", (1, 1)), PIL.Image.new("I", (1, 1))):
        with pytest.raises(DataError, match="more than 8 bits"):
            IMAGE.load(source)


def test_oversized_pictures_are_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(PIL.Image.new("RGB", (100, 100)))
    monkeypatch.setattr(image, "MAX_PIXELS", 9_999)
    with pytest.raises(DataError, match="too large") as caught:
        IMAGE.load(content)
    assert caught.value.got == "100 × 100 pixels"


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_the_limit_holds_where_pillow_only_warns() -> None:
    content = encoded(PIL.Image.new("1", (10_000, 9_000)))
    with pytest.raises(DataError):
        IMAGE.load(content)


@pytest.mark.parametrize("keep", [0, 10, 60, -200])
def test_broken_files_are_named(tmp_path: Path, keep: int) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8)
    path = tmp_path / "broken.png"
    path.write_bytes(encoded(PIL.Image.fromarray(noise))[:keep])
    with pytest.raises(DataError, match="cannot be read") as caught:
        IMAGE.load(path)
    assert caught.value.where == path


@pytest.mark.parametrize(
    "source", [3, None, b"", b"no picture", Path("nowhere.png"), "nowhere.png", "nul\0.png"]
)
def test_what_is_no_picture(source: Any) -> None:
    with pytest.raises(DataError):
        IMAGE.load(source)


@pytest.mark.parametrize("sample", [PIL.Image.new("L", (1, 1)), np.zeros((1, 1, 3), np.uint8), None])
def test_check_refuses(sample: Any) -> None:
    with pytest.raises(DataError):
        IMAGE.check(sample)


def test_the_preview_is_a_small_picture_inside_the_html() -> None:
    html = IMAGE.preview(PIL.Image.new("RGB", (1280, 640), "red"))
    assert html.startswith('<img src="data:image/png;base64,')
    shown = PIL.Image.open(io.BytesIO(base64.b64decode(html.split("base64,")[1].split('"')[0])))
    assert shown.size == (128, 64)
    assert shown.getpixel((5, 5)) == (255, 0, 0)


def test_without_pillow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(PluginError) as caught:
        IMAGE.load(b"")
    assert caught.value.hint == "pip install \"pillow>=10.3\" (extra 'image' of anybind)"


def test_making_modalities_imports_neither_torch_nor_readers() -> None:
    code = """
import sys
from anybind.specs import ModalitySpec
from anybind.builtin import arrays, audio, image, manifest, text, vector
for module, name in ((audio, "Audio"), (image, "Image"), (text, "Text"), (vector, "Vector")):
    getattr(module, name)(ModalitySpec(name="x", factory="a:B"))
print([name for name in ("torch", "PIL", "soundfile") if name in sys.modules])
"""
    source = str(Path(image.__file__).parents[2])
    code = f"import sys; sys.path.insert(0, {source!r})\n{code}"
    output = subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60)
    assert output.strip() == "[]"
