"""Webhooks: what becomes of a buyer's or provider's subscriptions is told to an address that they name."""
