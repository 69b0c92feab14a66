"""Logs as JSON, one object per line, to standard error."""

import datetime
import json
import logging

# The library would log every broken handshake of every port scanner, with a traceback.
_LEVELS = {"websockets": logging.CRITICAL, "asyncio": logging.ERROR}


class JsonFormatter(logging.Formatter):
    """Writes time, level, logger, message, and the `fields` of the record, if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one line."""
        line = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def install(level: str) -> None:
    """Log everything from `level` on as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, least in _LEVELS.items():
        logging.getLogger(name).setLevel(least)
