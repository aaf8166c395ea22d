"""Floor 0: what a checkpoint carries. Flat on purpose, so that `transformers` can copy it next to the weights."""
