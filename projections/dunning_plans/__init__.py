"""Dunning plans: their rows, and listing them."""
