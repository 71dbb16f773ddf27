"""Things made in the virtual world: read from the projection, minted by the relayer."""
