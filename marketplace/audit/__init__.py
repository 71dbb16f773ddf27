"""The audit: chain events against usage logs; pure functions and one endpoint."""
