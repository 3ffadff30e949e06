"""Metrics, logs, exemplars, redaction of secrets, and notifications to systemd."""

import os

# set for another program's workers; the client library would keep our metrics in files there
for _name in ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"):
    os.environ.pop(_name, None)
