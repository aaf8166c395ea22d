"""Floor 7: whole jobs, as `xcat_rec.fit(...)` and the command line run them. Nothing here prints or reads options."""
