"""From a shop's tables to vocabularies, sequences and tensors."""
