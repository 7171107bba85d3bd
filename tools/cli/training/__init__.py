"""Training: from labelled posts and a catalog to `services/matcher/scoring/weights.npz`.

Owns labels, folds, fitting and the report.  Refuses to put any post's words into the weights: words
enter as hashes of a public list of general words.
"""
