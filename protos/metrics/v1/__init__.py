"""Version 1 of the metrics API: the .proto files and what is generated from them."""
