"""Which readings are missing, why, and fetching them again."""
