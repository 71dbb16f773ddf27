"""The buyer's side: keystore and typed client. It trusts the chain, never the marketplace."""
