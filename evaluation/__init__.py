"""Floor 2: one definition of a rank, a metric and a slice, shared by training, evaluation and the command line."""
