"""Logs as JSON, one object per line, to standard error."""

import datetime
import json
import logging

# Ours say what matters once; the library's would repeat every handshake of every port scanner.
_QUIET = ("websockets", "asyncio")


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
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
