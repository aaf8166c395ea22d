"""Floor 3: the model card that a checkpoint is given."""
