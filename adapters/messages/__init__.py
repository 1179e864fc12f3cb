"""Messages to customers: their texts, and who sends them."""
