"""The methods that HTTP defines. Any other method is client input: no metric has it."""

__all__ = ["METHODS"]

# RFC 9110, section 9, and RFC 5789.
METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
)
