"""The HTTP door: one thin application on granian's RSGI, hot hubs first.

Owns requests and responses as plain values, tokens, limits, problem documents, streams and the routing
between the API, the pages and the small fixed paths. Refuses oversized bodies before reading them.
"""
