"""Messages to customers: their rows, and listing them."""
