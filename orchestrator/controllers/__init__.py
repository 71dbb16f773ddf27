"""Global and local controllers (II-D): pure functions of state, observation and clock. They carry nothing out."""
