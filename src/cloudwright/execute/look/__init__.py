"""Looking at hosts without touching them: what is there, and what would stand in the way."""
