"""What we run while developing: generators, checks and the command line; nothing in production imports it."""
