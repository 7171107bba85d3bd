"""The hub API's contract, one folder a version."""
