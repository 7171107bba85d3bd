"""Grafana dashboards as code: `python -m deploy.observability.dashboards` writes dashboards/*.json.

A panel is a title, a unit and expressions; where it lies on the screen follows from its place in the list.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "dashboards"
WIDTH, HEIGHT, PER_ROW = 8, 8, 3
SOURCE: Mapping[str, str] = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    unit: str
    # Each an expression and its legend.
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    uid: str
    title: str
    panels: Sequence[Panel]


def _quantile(share: float, metric: str, by: str) -> str:
    return f"histogram_quantile({share}, sum by ({by}, le) (rate({metric}_bucket[5m])))"


_SERVICES = Dashboard(
    uid="spotlight-services",
    title="Spotlight: services",
    panels=(
        Panel(
            "Calls by code",
            "reqps",
            (("sum by (job, code) (rate(spotlight_rpc_handled_total[5m]))", "{{job}} {{code}}"),),
        ),
        Panel("Calls by method", "reqps", (("sum by (method) (rate(spotlight_rpc_handled_total[5m]))", "{{method}}"),)),
        Panel("Duration, 99th percentile", "s", (("spotlight:rpc_duration_seconds:p99_5m", "{{job}} {{method}}"),)),
        Panel(
            "Failures, share",
            "percentunit",
            (("spotlight:rpc_failures:ratio5m", "{{job}}"), ("spotlight:http_failures:ratio5m", "{{job}} HTTP")),
        ),
        Panel("Calls under way", "short", (("sum by (job) (spotlight_rpc_in_flight)", "{{job}}"),)),
        Panel("Refused because busy", "reqps", (("rate(spotlight_rpc_shed_total[5m])", "{{job}}"),)),
        Panel("Event loop late", "s", (("spotlight_event_loop_lag_seconds", "{{job}}"),)),
        Panel(
            "Dependencies, 99th percentile",
            "s",
            (
                (
                    _quantile(0.99, "spotlight_dependency_duration_seconds", "job, dependency, operation"),
                    "{{job}} → {{dependency}} {{operation}}",
                ),
            ),
        ),
        Panel("Dependencies well", "short", (("spotlight_dependency_healthy", "{{job}} {{dependency}}"),)),
        Panel("Memory", "bytes", (("process_resident_memory_bytes", "{{job}}"),)),
        Panel("CPU", "percentunit", (("rate(process_cpu_seconds_total[5m])", "{{job}}"),)),
        Panel(
            "Background failures",
            "short",
            (("increase(spotlight_background_failures_total[10m])", "{{job}} {{work}}"),),
        ),
    ),
)
_PRODUCT = Dashboard(
    uid="spotlight-product",
    title="Spotlight: hubs, matching, events",
    panels=(
        Panel("HTTP by route", "reqps", (("sum by (route) (rate(spotlight_http_requests_total[5m]))", "{{route}}"),)),
        Panel(
            "HTTP, 99th percentile", "s", ((_quantile(0.99, "spotlight_http_duration_seconds", "route"), "{{route}}"),)
        ),
        Panel(
            "Hubs by where from",
            "reqps",
            (("sum by (source) (rate(spotlight_hub_cache_answers_total[5m]))", "{{source}}"),),
        ),
        Panel("Hubs not composed anew, share", "percentunit", (("spotlight:hub_cache:hit_ratio5m", "hits"),)),
        Panel(
            "Age of hubs shown, 95th percentile",
            "s",
            ((_quantile(0.95, "spotlight_hub_cache_age_seconds", "job"), "age"),),
        ),
        Panel(
            "Panels missed", "reqps", (("sum by (panel) (rate(spotlight_hub_panels_missed_total[5m]))", "{{panel}}"),)
        ),
        Panel(
            "Behind the catalog",
            "s",
            (("spotlight_matcher_index_lag_seconds", "matcher"), ("spotlight_catalog_follow_lag_seconds", "gateway")),
        ),
        Panel("Review: waiting", "short", (("spotlight_matcher_review_open", "tasks"),)),
        Panel("Review: oldest", "s", (("spotlight_matcher_review_oldest_age_seconds", "age"),)),
        Panel(
            "Drift of matches",
            "short",
            (
                ("max(spotlight_matcher_drift_psi)", "stability index"),
                ("max(abs(spotlight_matcher_drift_bias))", "reviewers against model"),
            ),
        ),
        Panel(
            "Kill switch until in force, 99th percentile",
            "s",
            ((_quantile(0.99, "spotlight_matcher_kill_switch_propagation_seconds", "job"), "{{job}}"),),
        ),
        Panel(
            "Events",
            "reqps",
            (
                ("rate(spotlight_events_accepted_total[5m])", "accepted"),
                ("rate(spotlight_events_duplicate_total[5m])", "seen before"),
                ("sum by (reason) (rate(spotlight_events_rejected_total[5m]))", "rejected: {{reason}}"),
            ),
        ),
        Panel("Events waiting for the log", "short", (("spotlight_journal_pending_events", "events"),)),
        Panel("Stock drift", "short", (("spotlight_incentives_stock_drift", "rewards"),)),
    ),
)
DASHBOARDS = (_SERVICES, _PRODUCT)


def rendered(dashboard: Dashboard) -> str:
    """The dashboard as Grafana imports it."""
    document = {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["spotlight"],
        "timezone": "utc",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus"}]},
        "panels": [_panel(number, panel) for number, panel in enumerate(dashboard.panels)],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, PER_ROW)
    targets = [
        {"refId": chr(ord("A") + place), "expr": expression, "legendFormat": legend, "datasource": SOURCE}
        for place, (expression, legend) in enumerate(panel.lines)
    ]
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def main() -> int:
    FOLDER.mkdir(exist_ok=True)
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard.uid}.json").write_text(rendered(dashboard), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
