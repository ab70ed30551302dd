"""Touch encoders of TVL, without timm, open_clip or torchvision."""
