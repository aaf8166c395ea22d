"""Names of the baselines in every table."""

POPULARITY, REPEAT_PURCHASE = "popularity", "repeat-purchase"
