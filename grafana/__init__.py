"""Dashboards as code: `python -m grafana.build` writes `dashboards/*.json`, `python -m grafana.render` the pictures.

The JSON is committed, because Grafana reads files and people import them; a test keeps it equal to what is built here.
"""
