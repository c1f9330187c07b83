"""The signed statement by which a Google service account asks for an access token (RFC 7523)."""

from __future__ import annotations

import base64
import json
from typing import Any

AUDIENCE = "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
LIFE = 600  # seconds


def assertion(key_json: str, now: float) -> str:
    """A JWT that is valid from `now`, seconds since 1970. Raises ValueError or TypeError for a key that cannot sign.

    The key file names an address to send it to, too; that is not used, or a forged file could have it sent anywhere.
    """
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    content = json.loads(key_json)
    key = serialization.load_pem_private_key(content["private_key"].encode(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the key of a service account is an RSA key")
    header: dict[str, Any] = {"alg": "RS256", "typ": "JWT"}
    if isinstance(content.get("private_key_id"), str):
        header["kid"] = content["private_key_id"]
    claims = {
        "iss": content["client_email"],
        "scope": SCOPE,
        "aud": AUDIENCE,
        "iat": int(now),
        "exp": int(now) + LIFE,
    }
    signed = f"{_part(header)}.{_part(claims)}"
    return f"{signed}.{_base64(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _part(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
