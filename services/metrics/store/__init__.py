"""The only files that know metrics' documents and indexes: the log and its rollups, and what was found in them."""
