"""The command line of Slicing4Meta: parses, calls one function, prints. It decides nothing itself."""
