"""What makes a request repeatable: its id, and a hash of everything it says."""

from google.protobuf.message import Message

from chassis.mongo import body_hash
from services.matcher.results import RequestKey


def request_key(method: str, request_id: str, message: Message) -> RequestKey:
    if not request_id:
        return RequestKey("", "")
    # One id belongs to one method: the same id sent to another is another request.
    return RequestKey(request_id, body_hash(method, message.SerializeToString(deterministic=True)))
