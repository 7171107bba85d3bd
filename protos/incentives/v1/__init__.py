"""Version 1 of the incentives API: the .proto files and what is generated from them."""
