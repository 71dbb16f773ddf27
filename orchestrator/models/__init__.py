"""The reference MaaS models of Table I: small programs that really do their job, and the data that describes them."""
