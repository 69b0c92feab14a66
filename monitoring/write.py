"""Write the dashboards of the chart: python monitoring/write.py FOLDER."""

import json
import sys
from pathlib import Path

import service
from grafana_foundation_sdk.cog.encoder import JSONEncoder

DASHBOARDS = {"service.json": service.build_dashboard}


def write_dashboards(folder: Path) -> None:
    """Write each dashboard into a file of its own."""
    for name, build in DASHBOARDS.items():
        text = json.dumps(build(), cls=JSONEncoder, indent=1, sort_keys=True)
        (folder / name).write_text(f"{text}\n")


if __name__ == "__main__":
    write_dashboards(Path(sys.argv[1]))
