"""Whoever pays refunds out: a folder of files, or a provider over HTTP."""
