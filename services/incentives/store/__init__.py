"""The store of incentives: the only code that knows its MongoDB documents and indexes.

Every change of a campaign, an enrolment or a grant is one atomic write of one document that carries its own ledger
rows and its events for metrics, so a process may die between any two writes and nothing is half done. Indexes that
most documents have no part in are sparse: it keeps them small, and both MongoDB and the local server use them.
"""
