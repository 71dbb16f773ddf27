"""Honest markets: real contracts on a real node, used and paid as the house would, for audits to find nothing in."""
