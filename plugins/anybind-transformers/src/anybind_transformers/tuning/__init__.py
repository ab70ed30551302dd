"""Fine-tuning a tower beyond heads: linear probing first, then LoRA, as BrokenBind trains (arXiv:2602.06451)."""
