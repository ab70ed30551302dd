"""Training small heads on stored embeddings: batches, the loop, checkpoints, ranks. Knows no method."""
