"""The matcher API's contract, one folder a version."""
