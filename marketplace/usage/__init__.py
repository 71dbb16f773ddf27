"""What was settled for a subscription, from chain events."""
