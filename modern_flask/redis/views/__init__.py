"""What requests and responses of Flask mean for ``cached``."""

from .lookout import FLASK
from .recording import record_requests

__all__ = ["FLASK", "record_requests"]
