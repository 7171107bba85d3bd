"""Catalog: every title Spotlight knows, the names people use for them and the pictures that show them.

It owns titles, their revisions and the change feed, the alias registry, reference images, imports and the
in-memory search over all names. It refuses to know videos, matches, campaigns or counts: whoever needs a title
reads it here or follows the feed.
"""
