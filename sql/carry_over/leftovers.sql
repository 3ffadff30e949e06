-- Private views and functions under their earlier names, which the bridge no longer uses. One that a view of somebody else uses is
-- not dropped: then nothing is carried over, and the message names that view.

drop view bridge.resolution_now;
drop view bridge.turn;
drop view bridge.open_now;
drop view bridge.flow_kind;
drop view bridge.told;
drop view bridge.known;
drop view bridge.service_problem_now;
drop function bridge.flow_code(timestamptz, integer);
drop function bridge.names(jsonb, text);
drop function bridge.element(jsonb, text);
drop function bridge.instant(jsonb);
drop function bridge.whole_number(jsonb);
drop function bridge.summarised();
drop function bridge.changed();

-- Everybody may call it.
do $$
begin
    if exists (select from pg_roles where rolname = 'bridge_reader') then
        revoke execute on function report.service_problem_at(timestamptz) from bridge_reader;
    end if;
end
$$;
