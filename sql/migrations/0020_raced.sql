-- One statement that decides by itself whether it stands: it can then commit without a transaction around it, two round trips less a batch.

create function bridge.raced() returns void language plpgsql as $$
begin
    raise serialization_failure using message = 'another writer changed the same problems first';
end
$$;
comment on function bridge.raced() is
'Undoes the statement that calls it: fewer rows were written than decided, because another writer was faster';

create function bridge.tell(changed_source_id smallint, changed_ids text[]) returns void
language sql volatile
begin atomic
    select
        pg_notify(
            'service_problem_changed',
            case
                when octet_length(t.payload) < 8000 then t.payload
                else json_build_object('source', t.name, 'more', true)::text
            end
        )
    from (
        select
            s.name,
            json_build_object('source', s.name, 'ids', changed_ids)::text as payload
        from bridge.source as s
        where s.id = changed_source_id and pg_notification_queue_usage() < 0.5
    ) as t;
end;
comment on function bridge.tell(smallint, text[]) is
'Tells listeners which problems changed: {"source", "ids"}, or, where that would not go into a notification (8,000 bytes), {"source", "more": true}. '
'A listener who does not fetch for long fills the queue, and a full one would fail every commit: half full, nothing is put into it any more; '
'bridge.change has it all the same';
