"""Desks: what a provider sells and earned, and what the operator's house does."""
