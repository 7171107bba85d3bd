"""What the matcher keeps in MongoDB, and how: the only files that know its documents and indexes.

`videos` holds one document for each video with a match; `segments` is the append-only archive of every video as it
was sent, a batch to a document; `changes` is the feed, `audit` the chain. Whatever belongs together is written in one
transaction by commit.py.
"""
