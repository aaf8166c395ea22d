"""Floor 4: the `xcat` command, one sub-command a file."""
