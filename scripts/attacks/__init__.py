"""The adversarial suite: every attack of a table, played against every app of the house over real HTTP.

`ground` serves the real apps, `case` says what an attack is, `of_…` hold the tables, `run` plays them and writes the
page docs/reference/attacks.md. Used by tests/trust/test_attacks.py and `make bench AREA=trust`.
"""
