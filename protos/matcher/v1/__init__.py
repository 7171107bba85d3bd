"""Version 1 of the matcher API: the .proto files and what is generated from them."""
