"""The typed client of /api/v1: needs an address, no chain and no key. `wallet.client` adds both."""
