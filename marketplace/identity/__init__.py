"""People: signing in with a wallet or a passkey, and what stands on the chain about them."""
