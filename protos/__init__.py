"""Our wire contracts: one folder an API, generated modules beside the .proto they come from."""
