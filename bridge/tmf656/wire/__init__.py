"""What TMF656 servers send → observations. Pure: bytes and values in, values or one named error (UnreadableError) out.

Versions 2 to 5 and the spellings seen in the field come out as version 4's model. `document` reads bytes and writes
canonical ones, `event` knows the event types, `shapes` and `problem` one service
problem, `notification` a whole event, `version` whose model it is.
"""

from bridge.tmf656.wire.document import DEFAULT, DocumentLimits
from bridge.tmf656.wire.event import event_name
from bridge.tmf656.wire.notification import ReadEvent, read_notification, read_notifications
from bridge.tmf656.wire.problem import first_summary, is_whole, listed, read_problem, stamp, stamps, withheld
from bridge.tmf656.wire.spelling import camel_case
from bridge.tmf656.wire.version import detect_version

__all__ = [
    "DEFAULT",
    "DocumentLimits",
    "ReadEvent",
    "camel_case",
    "detect_version",
    "event_name",
    "first_summary",
    "is_whole",
    "listed",
    "read_notification",
    "read_notifications",
    "read_problem",
    "stamp",
    "stamps",
    "withheld",
]
