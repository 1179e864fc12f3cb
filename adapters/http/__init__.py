"""The HTTP API. A route is a few lines: read the body, hand a command to the writer or a query to a reader, and
give the JSON out with its personal texts opened. What is true for every request stands once: `middleware`
(correlation id, log), `authentication` and `roles`, `problem_details` (every error), `openapi` (the document).
"""
