"""The use cases of incentives: plain values in and out, one method an RPC, named as the RPC in snake case."""
