"""The methods that HTTP defines: any other is client input, and names no series."""

__all__ = ["METHODS"]

# RFC 9110, section 9, and RFC 5789.
METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
)
