"""The public door of Spotlight: hubs and anchors over HTTP/JSON and gRPC, and the pages people look at.

Owns the composing and caching of hubs, the HTTP form of every annotated method, sign-in, limits and
pages. Refuses to own facts: titles, matches, campaigns and counts belong to the services behind it,
and what it keeps in Redis can be rebuilt from them.
"""
