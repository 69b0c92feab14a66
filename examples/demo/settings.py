"""What the environment says: where Prometheus is, and whether the load is wanted."""

import os

PROMETHEUS = os.environ.get("ASR_CLUSTER_PROMETHEUS", "")
LOAD = os.environ.get("DEMO_LOAD", "1") != "0"
