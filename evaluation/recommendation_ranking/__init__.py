"""The ranking metrics as an `evaluate` module: `evaluate.load` takes the path of this directory."""
