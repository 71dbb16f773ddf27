"""Figures drawn from measurements."""
