"""The routes, by the noun of their path."""
