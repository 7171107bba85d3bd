"""Incentives owns creator campaigns: their rules, who takes part, which videos count, and who was granted what.

It gives non-cash rewards exactly as often as there are units, under any concurrency, and keeps a ledger row in the
same document as each movement. It refuses to hold amounts of money, to decide what a video is about (matcher does),
and to count views (metrics does).
"""
