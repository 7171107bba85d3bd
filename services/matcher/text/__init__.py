"""Text matching: which titles a post's words name, with a calibrated probability and its reasons.

Owns the folding of text, the index of names, the candidates, their features and the engine that
turns a batch of posts into matches.  It is pure: no network, no database, no clock.  It refuses to
decide anything: thresholds, gates and anchors are policy, and policy lives with the matcher.
"""
