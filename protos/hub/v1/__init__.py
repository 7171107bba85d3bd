"""Version 1 of the hub API: the .proto files and what is generated from them."""
