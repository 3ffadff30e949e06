"""dlt: a REST API merged into Postgres, the way its documentation has it. Runs with the Python of dlt's environment.

Kept fair by what makes it faster: pages of the size that the bridge asks for, no child tables for lists within a
problem, files in CSV, which is loaded by COPY.
"""

import argparse

import dlt
from dlt.destinations.impl.postgres.configuration import PostgresCredentials
from dlt.sources.rest_api import rest_api_source

if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("url")
    arguments.add_argument("socket_dir")
    arguments.add_argument("database")
    arguments.add_argument("pipelines_dir")
    arguments.add_argument("--page-size", type=int, default=500)
    chosen = arguments.parse_args()

    credentials = PostgresCredentials()
    credentials.host, credentials.port, credentials.query = "localhost", 5432, {"host": chosen.socket_dir}
    credentials.username, credentials.password, credentials.database = "postgres", "none", chosen.database
    source = rest_api_source(
        {
            "client": {
                "base_url": chosen.url,
                "paginator": {"type": "offset", "limit": chosen.page_size, "total_path": None},
            },
            "resources": [
                {
                    "name": "service_problem",
                    "endpoint": {"path": "serviceProblem"},
                    "primary_key": "id",
                    "write_disposition": "merge",
                    "max_table_nesting": 0,
                }
            ],
        }
    )
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=chosen.pipelines_dir,
        destination=dlt.destinations.postgres(credentials=credentials),
        dataset_name="loaded",
    )
    pipeline.run(source, loader_file_format="csv").raise_on_failed_jobs()
