"""The door to the wire: our servicer, and catalog's feed as we call it."""
