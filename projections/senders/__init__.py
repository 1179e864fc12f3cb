"""Senders: their rows, and listing them."""
