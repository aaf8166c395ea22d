"""Floor 7: complete jobs, run by `xcat_rec.fit(...)` and the command line. Nothing here prints or parses options."""
