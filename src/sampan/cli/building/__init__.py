"""The parts of `sampan build`: what is read from this machine (`inputs`), and how the progress looks (`view`)."""
