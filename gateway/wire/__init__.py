"""Protobuf to domain and back, by hand: what the services say in, what this door says out.

Owns every translation of a message; refuses to decide anything.
"""

from gateway.wire.calls import (
    anchors_wish,
    events_request,
    events_response,
    explain_request,
    explain_response,
    hub_wish,
    is_public_campaign,
    is_public_title,
    search_request,
    search_response,
)
from gateway.wire.hubs import (
    fan_video,
    hub_campaign,
    hub_counts,
    hub_message,
    hub_schema,
    hub_title_message,
    parse_hub,
    title_facts,
    without_times,
)

__all__ = [
    "anchors_wish",
    "events_request",
    "events_response",
    "explain_request",
    "explain_response",
    "fan_video",
    "hub_campaign",
    "hub_counts",
    "hub_message",
    "hub_schema",
    "hub_title_message",
    "hub_wish",
    "is_public_campaign",
    "is_public_title",
    "parse_hub",
    "search_request",
    "search_response",
    "title_facts",
    "without_times",
]
