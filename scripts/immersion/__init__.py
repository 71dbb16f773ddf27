"""What `make bench AREA=immersion` measures, a module for each part."""
