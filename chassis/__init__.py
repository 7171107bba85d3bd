"""What any of our processes needs before it has a domain of its own.

It owns errors and their one map to status codes, settings, time and identity, the gRPC server with its one
fused interceptor, channels that carry deadlines, health, telemetry, tokens, the doors to MongoDB and Redis.
It imports no service and none of our protos, and it decides nothing about titles, videos or campaigns.
"""
