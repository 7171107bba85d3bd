"""Search over every name of every title, in memory: n-gram postings find candidates, `match` judges them.

`grams` cuts names up, `segment` holds them compactly and for good, `index` keeps segments and follows changes,
`match` says whether and how a query meets one name. The index is rebuilt from the store; it owns nothing.
"""
