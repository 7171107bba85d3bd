"""Generated from the protovalidate wheel, which carries no module for this protobuf runtime."""
