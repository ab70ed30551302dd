"""Binders in other people's formats: mteb, sentence-transformers, faiss and ONNX. Each needs its extra."""
