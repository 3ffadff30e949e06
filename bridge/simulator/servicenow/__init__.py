"""A ServiceNow instance to try things against: the Table API with incidents, problems and service problem cases.

`tables` the columns and choices, `encoded_query` what `sysparm_query` asks for, `record_store` the truth, `rules` what
an instance does by itself and refuses, `table_api` HTTP, `accounts` who may come in and how often, `simulator` the
whole. It follows the published documents and three foreign clients; no real instance was reached.
"""
