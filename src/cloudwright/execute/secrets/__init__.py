"""Secrets: what they are worth, how they are made, and the authority that signs certificates."""
