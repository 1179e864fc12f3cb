"""Tasks for people: their rows, and listing them."""
