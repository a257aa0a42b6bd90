"""Doing one step of a plan, with regard to what others of its kind do meanwhile."""
