"""The smoke test: a sample instance, the tiny guest that it boots, and the way to it."""
