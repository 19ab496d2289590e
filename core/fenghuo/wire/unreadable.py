"""What msgspec raises at bytes that are not the MessagePack asked for."""

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Text that is no UTF-8 comes as Python's own error, not as msgspec's."""
