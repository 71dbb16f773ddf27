"""The simulator: users stream frames over links of recorded or modelled rate, under the very controllers that run live.

Used by `s4m simulate`, the bench and the tests. It reads files and draws numbers from a seed; it knows no chain and
starts no model.
"""
