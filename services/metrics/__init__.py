"""Owns what viewers did: the durable log of events, the rollups derived from it, and what they say.

It refuses to lose an acknowledged event, to count one twice, to show a number that stands for fewer than k viewers,
and to know anything about titles, videos or campaigns beyond their ids and what catalog's feed says of them.
"""
