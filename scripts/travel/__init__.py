"""The paper's case study (section IV-A) as one run: travellers on a virtual beach."""
