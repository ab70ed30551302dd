"""Where TVL's published weights lie. Imports no torch."""

from __future__ import annotations

REPOSITORY = "mlfu7/Touch-Vision-Language-Models"
REVISION = "38c2eb87110e47de26312f709c93143a46daef9e"
FOLDER = "ckpt/tvl_enc"
# Encoder -> its file in that folder.
FILES = {
    "tvl-tiny-touch": "tvl_enc_vittiny.pth",
    "tvl-small-touch": "tvl_enc_vits.pth",
    "tvl-base-touch": "tvl_enc_vitb.pth",
    "tvl-small-bgs-touch": "tvl_enc_vits_bgs.pth",
}
