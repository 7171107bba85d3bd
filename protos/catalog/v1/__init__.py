"""Version 1 of the catalog API: the .proto files and what is generated from them."""
