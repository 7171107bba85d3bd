"""The metrics API: protos and what is generated from them."""
