"""The incentives API's contract, one folder a version."""
