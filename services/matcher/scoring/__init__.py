"""Scoring: from a candidate's features to a calibrated probability that is a sum of named parts.

Owns the additive model, its calibration and the trained weights (`weights.npz`).  It refuses to see
text: what reaches it is numbers, so a contribution can always be told by its feature's name.
"""
