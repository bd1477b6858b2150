"""How are questions to an SSH agent answered with private keys from files?

As BuildKit's client does: the keys stay in this process. The messages are those of draft-ietf-sshm-ssh-agent, the
signatures those of RFC 4253 (RSA), RFC 8332 (RSA with SHA-2), RFC 5656 (ECDSA) and RFC 8709 (Ed25519).
"""

from __future__ import annotations

import base64
import os
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from sampan.errors import InvalidRequest
from sampan.wire.ssh_agent import FAILURE, IDENTITIES, REQUEST_IDENTITIES, SIGN, SIGNED

FILE_MAX = 1 << 20
RSA_SHA2_256, RSA_SHA2_512 = 2, 4
_LENGTH = struct.Struct(">I")


class Keys:
    """The private keys in some files. Raises InvalidRequest for what is none."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._keys = [(*_load(path), path) for path in paths]

    def answer(self, message: bytes) -> bytes:
        """The agent's answer to one message: the list of keys, a signature, or a failure."""
        if message[:1] == bytes((REQUEST_IDENTITIES,)):
            listed = b"".join(_string(blob) + _string(os.fsencode(path)) for blob, _, path in self._keys)
            return bytes((IDENTITIES,)) + _LENGTH.pack(len(self._keys)) + listed
        if message[:1] != bytes((SIGN,)):
            return FAILURE
        try:
            fields = _strings(message[1:])
            wanted, data = next(fields), next(fields)
            (flags,) = _LENGTH.unpack(message[-_LENGTH.size :])
        except (struct.error, StopIteration):
            return FAILURE
        for blob, key, _ in self._keys:
            if blob == wanted:
                return bytes((SIGNED,)) + _string(_signature(key, data, flags))
        return FAILURE


def _load(path: str) -> tuple[bytes, Any]:
    """The public key, as the protocol has it, and the private one."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    except ImportError:
        raise InvalidRequest(
            f"to use the key {path} itself, install cryptography (pip install 'sampan[ssh]'), or add it to an ssh-agent"
        ) from None
    try:
        with open(path, "rb") as file:
            data = file.read(FILE_MAX)
    except OSError as error:
        raise InvalidRequest(f"failed to read ssh key {path}: {(error.strerror or '').lower()}") from None
    load: Any = serialization.load_pem_private_key
    if b"BEGIN OPENSSH PRIVATE KEY" in data:
        load = serialization.load_ssh_private_key
    try:
        key = load(data, password=None)
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
            raise InvalidRequest(f"failed to parse ssh key {path}: it is no RSA, ECDSA or Ed25519 key")
        return _public(key), key
    except (TypeError, ValueError) as error:
        if "password" in str(error).lower() or "encrypted" in str(error).lower():
            raise InvalidRequest(
                f"failed to parse ssh key {path}: it has a passphrase: add it to an ssh-agent"
            ) from None
        raise InvalidRequest(f"failed to parse ssh key {path}: it is no private key") from None


def _public(key: Any) -> bytes:
    """The public key as the protocol has it: the second word of its line in authorized_keys."""
    from cryptography.hazmat.primitives import serialization

    line: bytes = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return base64.b64decode(line.split()[1])


def _signature(key: Any, data: bytes, flags: int) -> bytes:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

    if isinstance(key, rsa.RSAPrivateKey):
        name, digest = _rsa_digest(flags)
        return _string(name) + _string(key.sign(data, padding.PKCS1v15(), digest))
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return _string(b"ssh-ed25519") + _string(key.sign(data))
    bits = key.curve.key_size
    curve_digest: Any = hashes.SHA256() if bits <= 256 else hashes.SHA384() if bits <= 384 else hashes.SHA512()
    r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(curve_digest)))
    return _string(f"ecdsa-sha2-nistp{bits}".encode()) + _string(_integer(r) + _integer(s))


def _rsa_digest(flags: int) -> tuple[bytes, Any]:
    from cryptography.hazmat.primitives import hashes

    if flags & RSA_SHA2_512:
        return b"rsa-sha2-512", hashes.SHA512()
    if flags & RSA_SHA2_256:
        return b"rsa-sha2-256", hashes.SHA256()
    return b"ssh-rsa", hashes.SHA1()  # what the protocol says when no flag asks for more


def _string(data: bytes) -> bytes:
    return _LENGTH.pack(len(data)) + data


def _integer(value: int) -> bytes:
    """An mpint (RFC 4251, section 5)."""
    return _string(value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _strings(data: bytes) -> Iterator[bytes]:
    while True:
        (size,) = _LENGTH.unpack_from(data)
        if len(data) < _LENGTH.size + size:
            return
        yield data[_LENGTH.size : _LENGTH.size + size]
        data = data[_LENGTH.size + size :]
