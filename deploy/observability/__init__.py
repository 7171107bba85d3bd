"""What watches over the house: what Prometheus scrapes, rules, alerts with their runbook, dashboards as code.

Every expression is checked against the metrics that our code exports (tests/unit/deploy); rules and alerts are tested
with promtool.
"""
