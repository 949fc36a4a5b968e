"""Client of a Ductus gateway, for back ends: send input events, mint session tokens, ask whether it is still the same person."""

from ductus.client import Client
from ductus.errors import DuctusError, Refused, Unavailable
from ductus.retry import Retry
from ductus.wire import EventBatch, Identification, Reason, Receipt, Risk, Token, Verification

__all__ = [
    "Client",
    "DuctusError",
    "EventBatch",
    "Identification",
    "Reason",
    "Receipt",
    "Refused",
    "Retry",
    "Risk",
    "Token",
    "Unavailable",
    "Verification",
]
