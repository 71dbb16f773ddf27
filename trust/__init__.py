"""Who is calling, with what right: keys, tokens, proofs, policy, gate, journal.

Every program of the house installs a `trust.gate.Gate` on each of its apps and calls its neighbours through
`trust.gate.GateAuth`. The chain (`IdentityRegistry`, read through `ledger`) says which component keys are good.
Nothing here knows what any route does.
"""
