"""Proto ↔ domain, field by field: events, reports, insights."""
