"""The catalog API's contract, one folder a version."""
