"""Subscriptions: the chain's side from the chain, the service's side from the orchestrator."""
