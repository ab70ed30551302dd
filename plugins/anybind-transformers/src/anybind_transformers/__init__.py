"""Encoders for anybind from transformers: joint towers one at a time, any AutoModel, and LoRA on a tower."""
