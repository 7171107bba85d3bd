"""The metrics API's contract, one folder a version."""
