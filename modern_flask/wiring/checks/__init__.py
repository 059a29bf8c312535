"""Rules that find mistakes before the first request. Each rule has its own errors."""
