"""Quotes and signed orders, relayed to the chain once each."""
