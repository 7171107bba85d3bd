"""Between the protos and the domain, field by field: videos, matches, policies, reviews, and the catalog's titles."""
