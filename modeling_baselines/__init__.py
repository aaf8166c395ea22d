"""Floor 0: the models that the field compares with, under the same contract as the library's own."""
