-- What a pass has seen is in the memory of who makes it: what it proves its completeness with tells also which problems were not there. The table stays
-- for a release, because the one before writes to it.

comment on table bridge.sighting is 'Not used any more: problems seen by the reconcile pass of the release before';
truncate bridge.sighting;
