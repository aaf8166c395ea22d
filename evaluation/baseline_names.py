"""Names of the baselines that every table carries."""

POPULARITY, REPEAT_PURCHASE = "popularity", "repeat-purchase"
