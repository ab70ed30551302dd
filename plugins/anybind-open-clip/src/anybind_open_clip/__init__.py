"""Image and text towers of open_clip checkpoints, without open_clip itself."""
