"""Secrets as they lie on a disk: sealed with a key of the state folder, and bound to what they are of.

AES-256-GCM with a nonce of its own for each text.  What a sealed text is of (`about`: whose, which, which
version) is part of what is checked, so that one cannot be put in the place of another.  Pure but for the
nonces; `runtime.front.home.sealing_key` keeps the key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Final

from runtime.errors import SealBroken

KEY_BYTES: Final = 32
_FORMAT: Final = b"\x01"
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16


class Seal:
    """Seals texts and opens them again.

    Args:
        key: `KEY_BYTES` random bytes.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
        self._key = key

    def __repr__(self) -> str:
        return "Seal(…)"

    def seal(self, plain: bytes, about: str) -> bytes:
        """The bytes so that only who has the key can read them, and nobody can change them.

        Args:
            about: What they are of; the same is needed to open them.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # 20 ms, where there are secrets

        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _FORMAT + nonce + AESGCM(self._key).encrypt(nonce, plain, about.encode())

    def open(self, sealed: bytes, about: str) -> bytes:
        """What was sealed.

        Raises:
            SealBroken: With another key, for something else, or changed since.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, rest = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if sealed[:1] != _FORMAT or len(rest) < _TAG_BYTES:
            raise SealBroken(f"{about} is not sealed as this version seals", cure=_CURE)
        try:
            return AESGCM(self._key).decrypt(nonce, rest, about.encode())
        except InvalidTag:
            raise SealBroken(
                f"{about} cannot be opened with the key of this state folder", cure=_CURE
            ) from None

    def digest(self, plain: bytes, about: str) -> str:
        """Tells whether two texts are the same one, to who has the key; in hexadecimal.

        Without the key nothing can be told from it, not even whether a guess is right.
        """
        own = hmac.digest(self._key, b"digest " + about.encode(), hashlib.sha256)
        return hmac.digest(own, plain, hashlib.sha256).hex()

    def seal_text(self, plain: str, about: str) -> str:
        """As `seal`, for where only text can be kept (JSON)."""
        return base64.b64encode(self.seal(plain.encode("utf-8", "surrogatepass"), about)).decode("ascii")

    def open_text(self, sealed: str, about: str) -> str:
        """What `seal_text` sealed.

        Raises:
            SealBroken: As `open`.
        """
        try:
            raw = base64.b64decode(sealed.encode("ascii"), validate=True)
        except ValueError:
            raise SealBroken(f"{about} is not sealed as this version seals", cure=_CURE) from None
        return self.open(raw, about).decode("utf-8", "surrogatepass")


_CURE: Final = "Put the file seal.key of the state folder back from a backup, or set the secret again."
