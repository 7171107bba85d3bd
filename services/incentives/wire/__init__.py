"""Between the protos and the domain, field by field: campaigns, participation, and the messages of peers."""
