-- name: write
-- Make the columns of report.service_problem_extra those of the configuration ($1: {source: {name: path}}).
select bridge.set_extra_columns($1) as changed;
