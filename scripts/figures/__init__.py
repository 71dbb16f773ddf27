"""The figures of `make figures`, a module each."""
