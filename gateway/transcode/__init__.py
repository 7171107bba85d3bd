"""HTTP/JSON made from the protos: routes, decoders and encoders compiled from their descriptors.

Owns the whole mapping between a gRPC method with a `google.api.http` option and its HTTP form,
and knows none of our services by name: adding an annotation adds an endpoint. Refuses what the
descriptor does not say: unknown fields, wrong types, numbers out of range, control characters.
"""
