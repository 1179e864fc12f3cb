"""Importing invoices from a file: read, check, compare with the books, replay in date order."""
