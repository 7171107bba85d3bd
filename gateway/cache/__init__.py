"""Kept hubs: final bytes near at hand in this process, behind it in Redis, never the only copy.

Owns the envelope, the near-cache, the single flight and the rules of expiry. Refuses what it cannot
trust (another schema, a wrong checksum, a revision older than a known change) by treating it as absent,
and never makes a request wait for Redis longer than its limit.
"""
