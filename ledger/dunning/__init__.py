"""Dunning: plans, which step of a plan an invoice has come to, and whom to contact on a day."""
