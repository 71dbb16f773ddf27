"""The virtual beach as it is drawn: light, backdrop, 56 kinds of objects, and the packing of tiles into a picture."""
