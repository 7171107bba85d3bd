"""The matcher: which title a video is about, whether it carries an anchor, and what people said of it.

Owns videos as pipelines sent them, matches, decisions, policies, calibrations, kill switches, review tasks,
appeals and the audit trail, and an in-memory index over the catalog's names and reference images.
Refuses to change the catalog, to count events, and to show an anchor it cannot explain.
"""
