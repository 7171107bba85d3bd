"""The matcher's use cases: plain values in and out, one method an RPC, one file a theme."""
