"""Metrics' use cases in plain types: taking events in, reporting, watching for spikes and insights."""
