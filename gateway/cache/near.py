"""The copies this process keeps in its own memory: bounded, least recently used first to go.

It remembers for which revision a title was dropped last, so that a hub that was being put together from
older facts while the change came in is not kept.
"""

from collections import OrderedDict

from gateway.cache.envelope import Entry
from gateway.domain import HubKey

FLOORS_MAX = 50_000


class NearCache:
    """Entries by key, limited in bytes; used from one event loop only."""

    def __init__(self, *, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._entries: OrderedDict[HubKey, Entry] = OrderedDict()
        self._keys_of: dict[str, set[HubKey]] = {}
        self._floors: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size_bytes(self) -> int:
        """What is kept at the moment."""
        return self._bytes

    def get(self, key: HubKey) -> Entry | None:
        """The entry of a key, however old."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: HubKey, entry: Entry) -> bool:
        """Keep an entry unless its title has changed since; says whether it was kept."""
        if entry.revision < self._floors.get(key.title_id, 0):
            return False
        self._remove(key)
        self._entries[key] = entry
        self._bytes += entry.size_bytes
        self._keys_of.setdefault(key.title_id, set()).add(key)
        while self._bytes > self._bytes_max and len(self._entries) > 1:
            self._remove(next(iter(self._entries)))
        return True

    def drop_title(self, title_id: str, revision: int) -> int:
        """Forget every hub of a title and refuse those made before this revision; says how many went."""
        keys = tuple(self._keys_of.get(title_id, ()))
        for key in keys:
            self._remove(key)
        self._floors[title_id] = max(revision, self._floors.pop(title_id, 0))
        while len(self._floors) > FLOORS_MAX:
            self._floors.popitem(last=False)
        return len(keys)

    def clear(self) -> None:
        """Forget everything but the floors."""
        self._entries.clear()
        self._keys_of.clear()
        self._bytes = 0

    def _remove(self, key: HubKey) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self._bytes -= entry.size_bytes
        keys = self._keys_of[key.title_id]
        keys.discard(key)
        if not keys:
            del self._keys_of[key.title_id]
