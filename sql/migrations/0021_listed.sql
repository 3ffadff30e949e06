-- Passes over a source's whole list meet the same rows again and again. A row that came word for word before need not be read, nor weighed, again.

alter table bridge.service_problem add column listed bytea;
comment on column bridge.service_problem.listed is
'Memo: digest of a row of the source''s list as it came (and of the release that read it), followed by the content_hash it was read as';
