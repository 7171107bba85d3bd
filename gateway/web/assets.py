"""Static files of the pages: read once, compressed once, addressed by their content, kept by browsers for good."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from gateway.http.conditional import coding_for, is_known
from gateway.http.message import Request, Response
from gateway.render import codings

FOLDER = Path(__file__).parent / "static"
PREFIX = "/static/"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file."""

    content_type: str
    etag: str
    bodies: dict[str, bytes]


class Assets:
    """All files of the folder."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._assets = {path.name: _asset(path) for path in sorted(folder.iterdir()) if path.suffix in _TYPES}

    def url(self, name: str) -> str:
        """The address of a file; another content is another address."""
        return f"{PREFIX}{name}?v={self._assets[name].etag[1:9]}"

    def serve(self, request: Request) -> Response | None:
        """The file at a path."""
        asset = self._assets.get(request.path.removeprefix(PREFIX))
        if asset is None:
            return None
        lasting = "public, max-age=31536000, immutable" if request.query.startswith("v=") else "no-cache"
        headers = [("etag", asset.etag), ("cache-control", lasting), ("vary", "accept-encoding")]
        if is_known(request.headers.get("if-none-match", ""), asset.etag):
            return Response(status=304, headers=headers)
        coding = coding_for(request.headers.get("accept-encoding", ""), asset.bodies)
        headers.append(("content-type", asset.content_type))
        if coding != "identity":
            headers.append(("content-encoding", coding))
        return Response(headers=headers, body=asset.bodies[coding])


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(
        content_type=_TYPES[path.suffix],
        etag=f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"',
        bodies=codings(content),
    )
