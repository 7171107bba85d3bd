"""Decoded pages of rollups, held within a bound of bytes."""

from collections import OrderedDict

from services.metrics.rows import Rows


class PageCache:
    """Decoded pages by id, the least recently used go first."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._pages: OrderedDict[str, Rows] = OrderedDict()

    def get(self, id_: str) -> Rows | None:
        page = self._pages.get(id_)
        if page is not None:
            self._pages.move_to_end(id_)
        return page

    def put(self, id_: str, page: Rows) -> None:
        if id_ in self._pages:
            return
        self._pages[id_] = page
        self._bytes += page.nbytes()
        while self._bytes > self._bytes_max:
            _, gone = self._pages.popitem(last=False)
            self._bytes -= gone.nbytes()
