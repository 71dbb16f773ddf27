"""The marketplace: lists models, quotes, relays signed orders, follows subscriptions, audits. It holds no money."""
