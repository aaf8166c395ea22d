"""Floor 8: the `xcat` command, one sub-command per file."""
