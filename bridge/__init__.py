"""tmf656-bridge: service problems from any TM Forum TMF656 server into Postgres, live, complete and ready for SQL."""

__version__ = "0.1.0"
