"""Readers of other people's catalogs: each a pure file that makes our titles of one source's JSON."""
