"""Translation between the protos and the catalog's own values, by hand, field by field, both ways.

`title` holds the title and its parts, `registry` aliases and reference images, `requests` what calls bring, and
`responses` what they get.
"""
