"""Names of the baselines in every table."""

POPULARITY, REPEAT_PURCHASE = "popularity", "repeat-purchase"
POPULARITY_RECENT, ITEM_KNN = "popularity-recent", "item-knn"
CANDIDATE_POPULARITY, CATEGORY_MATCH = "candidate-popularity", "category-match"
TRANSITIONS = "transitions"
SUMMED_ITEMS, HEAD = "summed-items", "head"
