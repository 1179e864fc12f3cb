"""The journal as other programs read it. Text from outside is data there: it ends no line and begins no directive."""
