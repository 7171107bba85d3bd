"""Ticket codes at rest: AES-256-GCM under a key from a file, bound to their place in the pool. Pure but for chance.

A code's fingerprint (HMAC-SHA256 under a key derived from the same secret) tells whether it is in the pool already
without decrypting anything. The first key encrypts; the others still decrypt, so a key can be changed; fingerprints
are always made with the last and oldest one.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.incentives.errors import CodeKeyMissing, CodeUnreadable

KEY_BYTES = 32
NONCE_BYTES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedCode:
    """A code as it is stored."""

    fingerprint: str
    key_id: str
    nonce: bytes
    ciphertext: bytes


class CodeSafe:
    """Seals and opens codes."""

    def __init__(self, keys: Sequence[bytes], *, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._ciphers = {key_id(key): AESGCM(_derived(key, b"seal")) for key in keys}
        self._sealing = key_id(keys[0]) if keys else ""
        self._printing = _derived(keys[-1], b"fingerprint") if keys else b""
        self._random_bytes = random_bytes

    def fingerprint(self, reward_key: str, code: str) -> str:
        """The same for the same code in the same pool, and of no use to anybody without the key."""
        if not self._printing:
            raise CodeKeyMissing
        return hmac.new(self._printing, f"{reward_key}\x00{code}".encode(), hashlib.sha256).hexdigest()

    def seal(self, reward_key: str, number: int, code: str) -> SealedCode:
        fingerprint = self.fingerprint(reward_key, code)
        nonce = self._random_bytes(NONCE_BYTES)
        ciphertext = self._ciphers[self._sealing].encrypt(nonce, code.encode(), _place(reward_key, number))
        return SealedCode(fingerprint=fingerprint, key_id=self._sealing, nonce=nonce, ciphertext=ciphertext)

    def open(self, reward_key: str, number: int, sealed: SealedCode) -> str:
        """The code; CodeUnreadable when the key is another or the record was moved or changed."""
        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            raise CodeUnreadable
        try:
            return cipher.decrypt(sealed.nonce, sealed.ciphertext, _place(reward_key, number)).decode()
        except InvalidTag:
            raise CodeUnreadable from None


def parse_key(secret: bytes) -> bytes:
    """A key of 32 bytes, given raw, as 64 hex digits, or as base64; ValueError for anything else."""
    if len(secret) == KEY_BYTES:
        return secret
    for decode in (binascii.unhexlify, lambda text: base64.b64decode(text, validate=True)):
        try:
            key = decode(secret.strip())
        except (binascii.Error, ValueError):
            continue
        if len(key) == KEY_BYTES:
            return bytes(key)
    msg = "a key has 32 bytes: raw, as 64 hex digits, or as base64"
    raise ValueError(msg)


def key_id(key: bytes) -> str:
    return hashlib.sha256(b"spotlight-code-key\x00" + key).hexdigest()[:12]


def _derived(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"spotlight/incentives/" + purpose).derive(key)


def _place(reward_key: str, number: int) -> bytes:
    return f"{reward_key}#{number}".encode()
