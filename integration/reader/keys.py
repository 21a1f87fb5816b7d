"""Keys, payloads and tags, read as docs/keys.md has them.

XChaCha20-Poly1305 is made of HChaCha20, below, and the ChaCha20-Poly1305 of `cryptography`.
"""

import hashlib
import hmac
import re
import struct
import typing
import uuid

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

RECORD_BYTES = 144
ID_TEXT = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NO_ID = bytes(16)


class Key(typing.NamedTuple):
    purpose: int
    key_id: bytes
    tenant_id: bytes
    master_id: bytes
    check: bytes
    data_key: bytes


def hmac_sha256(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def hchacha20(key, nonce):
    """The 32-byte key that XChaCha20 makes of a key and 16 bytes of nonce."""
    state = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))
    for _ in range(10):
        for columns in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                        (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            _quarter_round(state, *columns)
    return struct.pack("<8I", *state[:4], *state[12:])


def _quarter_round(state, a, b, c, d):
    for into, other, mixed, shift in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        state[into] = (state[into] + state[other]) & 0xFFFFFFFF
        word = state[mixed] ^ state[into]
        state[mixed] = (word << shift | word >> (32 - shift)) & 0xFFFFFFFF


def _aead(key, nonce):
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])), bytes(4) + nonce[16:]


def seal(key, nonce, associated, plain):
    aead, short_nonce = _aead(key, nonce)
    return aead.encrypt(short_nonce, plain, associated)


def unseal(key, nonce, associated, sealed):
    """The plain bytes, or None where it does not open."""
    aead, short_nonce = _aead(key, nonce)
    try:
        return aead.decrypt(short_nonce, sealed, associated)
    except InvalidTag:
        return None


def master_id(master):
    return hmac_sha256(master, b"proctorwise master id 1")[:16]


def wrap_key(master):
    return hmac_sha256(master, b"proctorwise master wrap 1")


def check_of(data_key, key_id):
    return hmac_sha256(data_key, b"proctorwise key check 1", key_id)[:16]


def verdict(log_key, value):
    """What a record is by its own bytes."""
    if ID_TEXT.fullmatch(log_key) is None or uuid.UUID(log_key.decode()).bytes == NO_ID:
        return "foreign"
    if value is None:
        return "destroyed"
    if len(value) < 4 or value[:3] != b"PWK":
        return "foreign"
    if value[3] != 1:
        return "newer"
    good = (len(value) == RECORD_BYTES and value[4] in (1, 2) and value[5:8] == bytes(3)
            and value[8:24] == uuid.UUID(log_key.decode()).bytes and NO_ID not in (value[24:40], value[40:56]))
    return "good" if good else "damaged"


def open_record(masters, value):
    """(`yes`, `unknown-master` or `damaged`; the Key or None) of a good record."""
    master = next((one for one in masters if master_id(one) == value[40:56]), None)
    if master is None:
        return "unknown-master", None
    data_key = unseal(wrap_key(master), value[72:96], value[:72], value[96:])
    if data_key is None or check_of(data_key, value[8:24]) != value[56:72]:
        return "damaged", None
    return "yes", Key(value[4], value[8:24], value[24:40], value[40:56], value[56:72], data_key)


def make_record(master, purpose, key_id, tenant_id, data_key, nonce):
    head = b"PWK\1" + bytes([purpose, 0, 0, 0]) + key_id + tenant_id + master_id(master) + check_of(data_key, key_id)
    return head + nonce + seal(wrap_key(master), nonce, head, data_key)


def seal_payload(data_key, key_id, nonce, associated, plain):
    return b"\1" + nonce + seal(data_key, nonce, b"PWP\1" + key_id + associated, plain)


def open_payload(data_key, key_id, associated, sealed):
    if not 41 <= len(sealed) <= 65_536 + 41 or sealed[0] != 1:
        return None
    return unseal(data_key, sealed[1:25], b"PWP\1" + key_id + associated, sealed[25:])


def tag(data_key, context, value):
    return hmac_sha256(data_key, bytes([len(context)]), context, value)
