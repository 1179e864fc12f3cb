"""Templates of messages: Liquid and MJML, checked when they are saved and bounded when they are rendered."""
