"""The strict subset of msgpack (docs/ledger.md, section 3): one spelling for every value, and no other accepted.

Integers, bools and nil become int, bool and None; text becomes str, bin bytes, and an array a list.
"""

NESTING_MAX = 8


class Malformed(Exception):
    """The bytes are not in the subset; the message says where and why."""


def decode(body):
    """The one array that the bytes are, all of them. Raises Malformed, and nothing else."""
    count, at = array_header(body, 0)
    values, at = _elements(body, at, count, 1)
    if at != len(body):
        raise Malformed(f"{len(body) - at} bytes are left over")
    return values


def array_header(body, at):
    """(announced elements, where they begin) of an array header; what it announces is not checked against what is there."""
    if at >= len(body):
        raise Malformed("the body ends where an array should begin")
    first = body[at]
    if 0x90 <= first <= 0x9F:
        return first - 0x90, at + 1
    if first == 0xDC:
        return _number(body, at + 1, 2, 16)
    if first == 0xDD:
        return _number(body, at + 1, 4, 0x10000)
    raise Malformed(f"byte {at} is 0x{first:02x}, not the beginning of an array")


def unsigned(body, at):
    """(integer of 0 or more, where it ends)."""
    if at >= len(body):
        raise Malformed("the body ends where an integer should begin")
    first = body[at]
    if first <= 0x7F:
        return first, at + 1
    if first == 0xCC:
        return _number(body, at + 1, 1, 0x80)
    if first == 0xCD:
        return _number(body, at + 1, 2, 0x100)
    if first == 0xCE:
        return _number(body, at + 1, 4, 0x10000)
    if first == 0xCF:
        value, end = _number(body, at + 1, 8, 0x1_0000_0000)
        if value >= 1 << 63:
            raise Malformed(f"the integer at byte {at} is above 2^63-1")
        return value, end
    raise Malformed(f"byte {at} is 0x{first:02x}, not the beginning of an integer of 0 or more")


def _number(body, at, size, least):
    """(big-endian number of so many bytes, where it ends); below `least` a shorter form would have done."""
    end = at + size
    if end > len(body):
        raise Malformed("the body ends within a number")
    value = int.from_bytes(body[at:end], "big")
    if value < least:
        raise Malformed(f"the number at byte {at} is not in its shortest form")
    return value, end


_NEGATIVE = {0xD0: (1, -0x20), 0xD1: (2, -0x80), 0xD2: (4, -0x8000), 0xD3: (8, -0x8000_0000)}  # size, and below what
_TEXT = {0xD9: (1, 32), 0xDA: (2, 0x100), 0xDB: (4, 0x10000)}  # size of the length, and the least length
_BIN = {0xC4: (1, 0), 0xC5: (2, 0x100), 0xC6: (4, 0x10000)}


def _elements(body, at, count, level):
    """(the elements of an array, where they end). `level` is the array's own."""
    if level > NESTING_MAX:
        raise Malformed(f"the array before byte {at} lies at level {level}")
    end = len(body)
    if count > end - at:
        raise Malformed(f"{count} elements are announced before byte {at}, and {end - at} bytes are left")
    values = []
    for _ in range(count):
        if at >= end:
            raise Malformed("the body ends within an array")
        first = body[at]
        if first <= 0x7F:
            value, at = first, at + 1
        elif 0xA0 <= first <= 0xBF:
            value, at = _text(body, at + 1, first - 0xA0)
        elif first in _BIN:
            size, least = _BIN[first]
            length, begin = _number(body, at + 1, size, least)
            at = begin + length
            if at > end:
                raise Malformed(f"{length} bytes are announced before byte {begin}, and {end - begin} are left")
            value = body[begin:at]
        elif 0xCC <= first <= 0xCF:
            value, at = unsigned(body, at)
        elif first == 0xC0:
            value, at = None, at + 1
        elif 0x90 <= first <= 0x9F or first in (0xDC, 0xDD):
            inner, at = array_header(body, at)
            value, at = _elements(body, at, inner, level + 1)
        elif first >= 0xE0:
            value, at = first - 0x100, at + 1
        elif first in _TEXT:
            size, least = _TEXT[first]
            length, at = _number(body, at + 1, size, least)
            value, at = _text(body, at, length)
        elif first in _NEGATIVE:
            size, below = _NEGATIVE[first]
            begin, at = at + 1, at + 1 + size
            if at > end:
                raise Malformed("the body ends within a number")
            value = int.from_bytes(body[begin:at], "big", signed=True)
            if value >= below:
                raise Malformed(f"the number at byte {begin} is not in its shortest form")
        elif first in (0xC2, 0xC3):
            value, at = first == 0xC3, at + 1
        else:
            raise Malformed(f"byte {at} is 0x{first:02x}, which begins nothing that is allowed")
        values.append(value)
    return values, at


def _text(body, at, length):
    end = at + length
    if end > len(body):
        raise Malformed(f"{length} bytes are announced before byte {at}, and {len(body) - at} are left")
    try:
        text = body[at:end].decode()  # Python's decoder takes no overlong form, no surrogate and nothing above U+10FFFF.
    except UnicodeDecodeError:
        raise Malformed(f"the text at byte {at} is not UTF-8") from None
    if "\0" in text:
        raise Malformed(f"the text at byte {at} has a U+0000")
    return text, end
