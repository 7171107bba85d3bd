"""The servicers of the three matcher APIs, and the catalog as this process calls it."""
