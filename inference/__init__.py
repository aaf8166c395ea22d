"""Floor 2: a trained model in use: recommendation, explanation, the pipeline."""
