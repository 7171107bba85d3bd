"""Runs the house: everything on one machine (local), in containers, on Kubernetes, and what watches over it.

It owns how processes are started, told where they stand and kept up; it knows nothing of titles or videos beyond
the sample data it sends through the same APIs as everybody else.
"""
