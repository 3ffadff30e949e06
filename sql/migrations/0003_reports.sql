-- Reports: schema report is public; views and functions of schema bridge that they are made of are private.
--
-- Every statement here can be run again, and a public view only ever gets columns at its end: so the same file also brings a
-- database of an earlier program up to date (sql/carry_over).

-- Values as sources write them

create or replace function bridge.list_element(list jsonb, word text) returns table (ordinal integer, item jsonb)
language sql immutable parallel safe
begin atomic
    select
        e.ordinality::integer as ordinal,
        case when jsonb_typeof(e.value) = 'object' then e.value else jsonb_build_object(word, e.value) end as item
    from jsonb_array_elements(
        case when jsonb_typeof(list) = 'array' then list when jsonb_typeof(list) <> 'null' then jsonb_build_array(list) end
    ) with ordinality as e (value, ordinality)
    where jsonb_typeof(e.value) <> 'null';
end;
comment on function bridge.list_element(jsonb, text) is
'The elements of a list, as objects. What came without its list is a list of one; what is no object is the value of attribute `word`';

create or replace function bridge.element_names(list jsonb, word text) returns text[]
language sql immutable parallel safe
begin atomic
    select coalesce(array_agg(distinct n.name collate "C" order by n.name collate "C"), '{}')
    from (
        select coalesce(e.item ->> 'name', e.item ->> 'id') as name
        from bridge.list_element(list, word) as e
    ) as n
    where n.name is not null;
end;
comment on function bridge.element_names(jsonb, text) is
'The names, else ids, of the elements of a list, each once; what is no object is the value of attribute `word`';

create or replace function bridge.parse_timestamp(value jsonb) returns timestamptz
language plpgsql immutable parallel safe
as $$
declare
    common constant text := '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?'
        || '(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])$';
    form constant text := '^\s*([0-9]{4})-?([0-9]{2})-?([0-9]{2})'
        || '(?:(?:[T_]| +)([0-9]{2})(?::?([0-9]{2})(?::?([0-9]{2})(?:[.,]([0-9]*))?)?)?)?'
        || ' *(?:(?:Z|UTC|GMT)|([+-])([0-9]{2})(?::?([0-9]{2})(?::?([0-9]{2})(?:\.[0-9]+)?)?)?)?\s*$';
    written constant text := value #>> '{}';
    part text[];
    clock integer[];
    month_begin timestamp;
    ahead interval;
    seconds numeric;
    at timestamptz;
begin
    -- what nearly all sources write, ten times faster
    if jsonb_typeof(value) = 'string' and written ~ common and written ~ '^(197[1-9]|19[89][0-9]|20[0-9]{2}|21[0-8])' then
        return written::timestamptz;
    end if;
    if jsonb_typeof(value) = 'string' then
        part := regexp_match(written, form, 'i');
    elsif jsonb_typeof(value) is distinct from 'number' then
        return null;
    end if;
    if part is null then
        if jsonb_typeof(value) = 'string' and written !~ '^\s*[+-]?[0-9]{9,16}(\.[0-9]{1,9})?\s*$' then
            return null;
        end if;
        seconds := written::numeric;
        -- milliseconds, but for 9999-12-31 in seconds
        if abs(seconds) >= 100000000000 and not (seconds >= 253402214400 and seconds < 253402300801) then
            seconds := seconds / 1000;
        end if;
        if seconds not between -62135596800 and 253402300800 then
            return null;
        end if;
        at := timestamptz '1970-01-01 00:00:00+00'
            + make_interval(days => div(seconds, 86400)::integer, secs => mod(seconds, 86400)::double precision);
    else
        -- year, month, day, hour, minute, second, microsecond
        clock := array[
            part[1], part[2], part[3], coalesce(part[4], '0'), coalesce(part[5], '0'), coalesce(part[6], '0'),
            rpad(left(coalesce(part[7], ''), 6), 6, '0')
        ]::integer[];
        if clock[1] = 0 or clock[2] not between 1 and 12 then
            return null;
        end if;
        month_begin := make_timestamp(clock[1], clock[2], 1, 0, 0, 0);
        if clock[3] not between 1 and extract(day from month_begin + interval '1 month - 1 day') then
            return null;
        end if;
        -- 24:00 ends a day, and a leap second is the 61st of its minute
        if clock[4] > 24 or clock[5] > 59 or clock[6] > 60 or (clock[6] = 60 and clock[5] <> 59)
            or (clock[4] = 24 and clock[5] + clock[6] + clock[7] > 0)
        then
            return null;
        end if;
        ahead := make_interval(
            hours => coalesce(part[9], '0')::integer,
            mins => coalesce(part[10], '0')::integer,
            secs => coalesce(part[11], '0')::integer
        );
        if ahead >= interval '24 hours' then
            return null;
        end if;
        at := (
            month_begin
            + make_interval(days => clock[3] - 1, hours => clock[4], mins => clock[5], secs => clock[6])
            + clock[7] * interval '1 microsecond'
            - case part[8] when '-' then -ahead else ahead end
        ) at time zone 'UTC';
    end if;
    -- what stands for no time: 0001-01-01, 1970-01-01, 9999-12-31
    if at < timestamptz '1970-01-02 00:00:00+00' or at >= timestamptz '2200-01-01 00:00:00+00' then
        return null;
    end if;
    return at;
end
$$;
comment on function bridge.parse_timestamp(jsonb) is
'An instant in any form that sources write (ISO 8601 and its relatives, UTC when no zone is given; epoch seconds or milliseconds), else null; '
'null too for what stands for no time (before 1970-01-02, from 2200 on)';

create or replace function bridge.parse_integer(value jsonb) returns integer
language sql immutable parallel safe
begin atomic
    select
        case
            when n.number = trunc(n.number) and n.number between -2147483648 and 2147483647 then n.number::integer
        end
    from (
        select
            case
                when
                    jsonb_typeof(value) = 'number'
                    or (
                        jsonb_typeof(value) = 'string'
                        and value #>> '{}' ~ '^\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*$'
                    )
                    then (value #>> '{}')::numeric
            end as number
    ) as n;
end;
comment on function bridge.parse_integer(jsonb) is
'A whole number of 32 bits that may have been sent as text or as 1.0, else null';

create or replace function bridge.changed_keys(before jsonb, after jsonb) returns text[]
language sql immutable parallel safe
as $$
    select coalesce(array_agg(coalesce(a.key, b.key) order by coalesce(a.key, b.key)), '{}')
    from jsonb_each(after) as a
    full join jsonb_each(before) as b on a.key = b.key
    where before is not null and a.value is distinct from b.value
$$;
comment on function bridge.changed_keys(jsonb, jsonb) is
'First-level attributes that differ between two bodies; empty when there is no earlier one';

create or replace function bridge.plausible(at timestamptz, received_at timestamptz) returns timestamptz
language sql immutable parallel safe
begin atomic
    -- to_timestamp, because date arithmetic with time zones is not immutable
    select case when at > to_timestamp(86400) and extract(epoch from at) <= extract(epoch from received_at) + 86400 then at end;
end;
comment on function bridge.plausible(timestamptz, timestamptz) is
'The time, or null when it cannot be meant: before 2 January 1970 (programs write their epoch for "none") or more than a day after it was received';

create or replace function report.parameter(name text, fallback text) returns text
language sql stable parallel safe
begin atomic
    select coalesce(nullif(current_setting('report.' || name, true), ''), fallback);
end;
comment on function report.parameter(text, text) is
'A parameter of a ready-made query: what `set report.NAME = …` has set in this session, else the second argument';

create or replace function report.time_zone() returns text
language sql stable parallel safe security definer
begin atomic
    select coalesce(nullif(current_setting('report.time_zone', true), ''), (select s.time_zone from bridge.report_setting as s));
end;
comment on function report.time_zone() is
'Time zone of the days in reports: what `set report.time_zone = …` has set in this session, else what report.set_time_zone has set for all (UTC at first)';

create or replace function report.set_time_zone(zone text) returns text
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from pg_timezone_names as n where n.name = zone) then
        raise invalid_parameter_value using
            message = format('there is no time zone %L', zone),
            hint = 'take a name of pg_timezone_names, Europe/Paris for example';
    end if;
    update bridge.report_setting set time_zone = zone;
    return zone;
end
$$;
comment on function report.set_time_zone(text) is
'Set the time zone of the days in reports, for everybody. Only the owner of the schema and bridge_writer may; the leader then sums up the days again';
revoke execute on function report.set_time_zone(text) from public;

-- Problems as they are and as they were

create or replace view bridge.service_problem_with_body as
select
    p.source_id,
    p.id,
    p.revision,
    p.status,
    p.status_raw,
    p.category,
    p.priority,
    p.affected_services,
    p.created_at,
    p.updated_at,
    p.status_changed_at,
    p.resolved_at,
    p.observed_at,
    p.first_seen_at,
    p.last_seen_at,
    p.missed_at,
    p.deleted_at,
    p.via,
    coalesce(p.body, v.body) as body
from bridge.service_problem as p
left join bridge.service_problem_version as v
    on
        p.source_id = v.source_id and p.id = v.problem_id and p.content_at = v.effective_at and p.content_hash = v.content_hash
        and p.body is null;
comment on view bridge.service_problem_with_body is 'A service problem as it is now, with its body, which the table keeps only in its version';
comment on column bridge.service_problem_with_body.source_id is 'As in bridge.service_problem';
comment on column bridge.service_problem_with_body.id is 'As in bridge.service_problem';
comment on column bridge.service_problem_with_body.revision is 'As in bridge.service_problem';
comment on column bridge.service_problem_with_body.status is 'As in bridge.service_problem';
comment on column bridge.service_problem_with_body.status_raw is 'As in bridge.service_problem';
comment on column bridge.service_problem_with_body.category is 'As in bridge.service_problem';
comment on column bridge.service_problem_with_body.priority is 'As in bridge.service_problem';
comment on column bridge.service_problem_with_body.affected_services is 'As in bridge.service_problem';
comment on column bridge.service_problem_with_body.created_at is 'As in bridge.service_problem';
comment on column bridge.service_problem_with_body.updated_at is 'As in bridge.service_problem';
comment on column bridge.service_problem_with_body.status_changed_at is 'As in bridge.service_problem';
comment on column bridge.service_problem_with_body.resolved_at is 'As in bridge.service_problem';
comment on column bridge.service_problem_with_body.observed_at is 'As in bridge.service_problem';
comment on column bridge.service_problem_with_body.first_seen_at is 'As in bridge.service_problem';
comment on column bridge.service_problem_with_body.last_seen_at is 'As in bridge.service_problem';
comment on column bridge.service_problem_with_body.missed_at is 'As in bridge.service_problem';
comment on column bridge.service_problem_with_body.deleted_at is 'As in bridge.service_problem';
comment on column bridge.service_problem_with_body.via is 'As in bridge.service_problem';
comment on column bridge.service_problem_with_body.body is 'The whole problem, v4 attribute names';

create or replace view report.service_problem as
select
    s.name as source,
    p.id,
    p.body ->> 'href' as href,
    p.body ->> 'name' as name,
    p.status,
    p.status_raw,
    p.category,
    p.priority,
    p.body ->> 'description' as description,
    p.body ->> 'reason' as reason,
    p.body ->> 'originatingSystem' as originating_system,
    coalesce(
        p.body -> 'originatorParty' ->> 'name', p.body -> 'originatorParty' ->> 'id', p.body ->> 'originatorParty'
    ) as originator,
    coalesce(
        p.body -> 'responsibleParty' ->> 'name', p.body -> 'responsibleParty' ->> 'id', p.body ->> 'responsibleParty'
    ) as responsible,
    p.body -> 'externalIdentifier' -> 0 ->> 'id' as external_id,
    p.created_at,
    p.updated_at,
    p.status_changed_at,
    p.resolved_at,
    p.affected_services,
    p.first_seen_at,
    greatest(
        p.last_seen_at, case when p.missed_at is null and p.deleted_at is null then w.started_at end
    ) as last_seen_at,
    p.via as last_changed_via,
    p.deleted_at,
    p.body,
    (
        select min(v.effective_at) from bridge.service_problem_version as v
        where v.source_id = p.source_id and v.problem_id = p.id and not v.superseded
    ) as known_since
from bridge.service_problem_with_body as p
inner join bridge.source as s on p.source_id = s.id
left join bridge.watermark as w on p.source_id = w.source_id and w.kind = 'reconcile';
comment on view report.service_problem is
'A service problem as it is now; deleted ones too (deleted_at is set). Key: source, id. Joins: the other views of this schema on source, id';
comment on column report.service_problem.source is 'Name of the source in the bridge''s configuration';
comment on column report.service_problem.id is 'Id of the problem at its source';
comment on column report.service_problem.href is 'Link to the problem at its source';
comment on column report.service_problem.name is 'Short name';
comment on column report.service_problem.status is
'submitted, acknowledged, rejected, pending, held, inProgress, resolved, cancelled, closed or unknown';
comment on column report.service_problem.status_raw is 'The status as the source wrote it';
comment on column report.service_problem.category is 'Who raised it: serviceProvider.declarer, supplier.originated, system.originated, …';
comment on column report.service_problem.priority is '1 (highest) to 10 (lowest)';
comment on column report.service_problem.description is 'What is wrong, in words';
comment on column report.service_problem.reason is 'Why, in words';
comment on column report.service_problem.originating_system is 'System that raised it';
comment on column report.service_problem.originator is 'Party that raised it (name, else id)';
comment on column report.service_problem.responsible is 'Party that handles it (name, else id)';
comment on column report.service_problem.external_id is 'First id in another system (correlationId in versions 2 and 3)';
comment on column report.service_problem.created_at is 'When it was raised, by the source''s clock';
comment on column report.service_problem.updated_at is 'When it last changed, by the source''s clock';
comment on column report.service_problem.status_changed_at is 'When its status last changed, by the source''s clock';
comment on column report.service_problem.resolved_at is 'When it was resolved, by the source''s clock';
comment on column report.service_problem.affected_services is 'How many services are affected';
comment on column report.service_problem.first_seen_at is 'When the bridge first received it';
comment on column report.service_problem.last_seen_at is 'When the bridge last received it or saw it at the source';
comment on column report.service_problem.last_changed_via is 'How the last change came: push, poll, reconcile or refetch';
comment on column report.service_problem.deleted_at is 'Since when it is gone at the source; null while it exists';
comment on column report.service_problem.body is 'All attributes, under their version 4 names, unknown ones included';
comment on column report.service_problem.known_since is 'Since when the bridge knows what it was like: time of the oldest version that is kept';

create or replace view bridge.version_with_previous as
with fact as (
    select
        s.name as source,
        v.problem_id as id,
        v.effective_at,
        v.kind,
        v.via,
        v.event_type,
        v.status,
        v.body,
        coalesce(v.body_hash, v.content_hash) as body_hash,
        row_number() over history as place,
        lead(v.effective_at) over history as next_at,
        max(v.effective_at) filter (where v.kind = 'full') over history as whole_at,
        max(v.effective_at) filter (where v.kind = 'tombstone') over history as gone_at
    from bridge.service_problem_version as v
    inner join bridge.source as s on v.source_id = s.id
    where not v.superseded
    window history as (
        partition by s.name, v.problem_id
        order by
            v.effective_at,
            v.kind collate "C",
            v.confirmed_at nulls first,
            case when v.kind = 'full' then v.status end collate "C",
            v.content_hash
    )
),

effective as (
    select
        d.*,
        lag(d.body_hash) over (partition by d.source, d.id order by d.place) as body_hash_before
    from fact as d
    where
        d.next_at is distinct from d.effective_at
        and (d.kind <> 'partial' or d.gone_at is null or d.whole_at > d.gone_at)
),

version as (
    select
        h.*,
        lead(h.effective_at) over history as valid_to,
        lag(case when h.kind <> 'tombstone' then h.body end) over history as body_before
    from effective as h
    where h.body_hash is distinct from h.body_hash_before
    window history as (partition by h.source, h.id order by h.place)
)

select
    l.source,
    l.id,
    l.effective_at as valid_from,
    l.valid_to,
    l.via,
    l.event_type,
    l.status,
    l.body_before,
    l.body
from version as l
where l.kind <> 'tombstone';
comment on view bridge.version_with_previous is 'Versions as report.service_problem_version has them, with the body of the version before';
comment on column bridge.version_with_previous.source is 'As in report.service_problem_version';
comment on column bridge.version_with_previous.id is 'As in report.service_problem_version';
comment on column bridge.version_with_previous.valid_from is 'As in report.service_problem_version';
comment on column bridge.version_with_previous.valid_to is 'As in report.service_problem_version';
comment on column bridge.version_with_previous.via is 'As in report.service_problem_version';
comment on column bridge.version_with_previous.event_type is 'As in report.service_problem_version';
comment on column bridge.version_with_previous.status is 'As in report.service_problem_version';
comment on column bridge.version_with_previous.body_before is 'All attributes of the version before; null for the first one and after a deletion';
comment on column bridge.version_with_previous.body is 'As in report.service_problem_version';

create or replace view report.service_problem_version as
select
    v.source,
    v.id,
    v.valid_from,
    v.valid_to,
    v.via,
    v.event_type,
    v.status,
    bridge.changed_keys(v.body_before, v.body) as changed,
    v.body
from bridge.version_with_previous as v;
comment on view report.service_problem_version is
'A service problem as it was between two changes; late information finds its place. Key: source, id, valid_from. Joins: report.service_problem on source, id';
comment on column report.service_problem_version.source is 'Name of the source in the bridge''s configuration';
comment on column report.service_problem_version.id is 'Id of the problem at its source';
comment on column report.service_problem_version.valid_from is 'Since when it was so, by the source''s clock';
comment on column report.service_problem_version.valid_to is 'Until when (the next change or deletion); null while it is so';
comment on column report.service_problem_version.via is 'How this version came first: push, poll, reconcile or refetch';
comment on column report.service_problem_version.event_type is 'Event that brought it; null when the bridge asked';
comment on column report.service_problem_version.status is 'Status in this version';
comment on column report.service_problem_version.changed is
'Attributes that differ from the version before; empty for the first one';
comment on column report.service_problem_version.body is 'All attributes as they were, under their version 4 names';

create or replace view report.change as
select
    v.source,
    v.id,
    v.valid_from as changed_at,
    c.attribute,
    c.old,
    c.new,
    v.via
from bridge.version_with_previous as v
cross join lateral (
    select
        coalesce(a.key, b.key) as attribute,
        b.value as old,
        a.value as new
    from jsonb_each(v.body) as a
    full join jsonb_each(v.body_before) as b on a.key = b.key
    where a.value is distinct from b.value
) as c
where v.body_before is not null;
comment on view report.change is
'One attribute of a service problem that changed, with its value before and after; the first version of a problem is no change'
'. Key: source, id, changed_at, attribute. Joins: report.service_problem on source, id; report.service_problem_version on source, id, valid_from = changed_at';
comment on column report.change.source is 'Name of the source in the bridge''s configuration';
comment on column report.change.id is 'Id of the problem at its source';
comment on column report.change.changed_at is 'When it changed, by the source''s clock';
comment on column report.change.attribute is 'Name of the attribute, in version 4 spelling';
comment on column report.change.old is 'Its value before, as JSON (old #>> ''{}'' is it as text); null when it had none';
comment on column report.change.new is 'Its value after, as JSON; null when it was taken away';
comment on column report.change.via is 'How the change came first: push, poll, reconcile or refetch';

create or replace view report.status_interval as
with fact as (
    select
        s.name as source,
        c.problem_id as id,
        c.status,
        c.stated_at,
        c.confirmed_at,
        p.deleted_at,
        coalesce(
            bridge.plausible(c.effective_at, c.observed_at), bridge.plausible(c.stated_at, c.observed_at), c.observed_at
        ) as effective_at
    from bridge.status_change as c
    inner join bridge.source as s on c.source_id = s.id
    inner join bridge.service_problem as p on c.source_id = p.source_id and c.problem_id = p.id
    where not c.superseded
),

stated as (
    select
        f.source,
        f.id,
        f.status,
        f.stated_at,
        f.confirmed_at,
        f.deleted_at,
        case
            when lag(f.effective_at) over history = f.effective_at then greatest(f.effective_at, f.stated_at)
            else f.effective_at
        end as entered_at
    from fact as f
    window history as (
        partition by f.source, f.id
        order by f.effective_at, f.stated_at, f.confirmed_at nulls first, f.status collate "C"
    )
),

stated_or_current as (
    select
        t.source,
        t.id,
        t.status,
        t.stated_at,
        t.confirmed_at,
        t.deleted_at,
        t.entered_at,
        false as current
    from stated as t
    union all
    select
        s.name as source,
        p.id,
        p.status,
        p.effective_at as stated_at,
        null::timestamptz as confirmed_at,
        p.deleted_at,
        coalesce(bridge.plausible(p.effective_at, p.observed_at), p.observed_at) as entered_at,
        true as current
    from bridge.service_problem as p
    inner join bridge.source as s on p.source_id = s.id
    where p.status_raw is not null
),

entered as (
    select
        t.source,
        t.id,
        t.status,
        t.deleted_at,
        case when t.current then greatest(t.entered_at, lag(t.entered_at) over history) else t.entered_at end as entered_at,
        lag(t.status) over history as status_before,
        row_number() over history as place
    from stated_or_current as t
    window history as (
        partition by t.source, t.id
        order by t.current, t.entered_at, t.stated_at, t.confirmed_at nulls first, t.status collate "C"
    )
),

bounded as (
    select
        e.source,
        e.id,
        e.status,
        e.entered_at,
        coalesce(
            lead(e.entered_at) over (partition by e.source, e.id order by e.place),
            case when e.deleted_at is not null then greatest(e.deleted_at, e.entered_at) end
        ) as left_at
    from entered as e
    where e.status is distinct from e.status_before
)

select
    b.source,
    b.id,
    b.status,
    b.entered_at,
    b.left_at,
    extract(epoch from coalesce(b.left_at, now()) - b.entered_at)::double precision as seconds
from bounded as b;
comment on view report.status_interval is
'A time a service problem spent in one status without leaving it. Key: source, id, entered_at, status. Joins: report.service_problem on source, id';
comment on column report.status_interval.source is 'Name of the source in the bridge''s configuration';
comment on column report.status_interval.id is 'Id of the problem at its source';
comment on column report.status_interval.status is 'The status';
comment on column report.status_interval.entered_at is 'When it came into this status, by the source''s clock';
comment on column report.status_interval.left_at is 'When it left it (also by being deleted); null while it is in it';
comment on column report.status_interval.seconds is 'How long it was, or has been, in it';

create or replace view bridge.valid_version as
select
    v.source_id,
    v.problem_id,
    v.effective_at,
    v.kind,
    v.confirmed_at,
    case when v.kind = 'full' then v.status end collate "C" as tie,
    v.content_hash,
    v.observed_at,
    v.via,
    v.status,
    v.body
from bridge.service_problem_version as v
where not v.superseded;
comment on view bridge.valid_version is 'Versions that no later answer contradicts, for report.service_problem_at';
comment on column bridge.valid_version.source_id is 'Source';
comment on column bridge.valid_version.problem_id is 'Problem';
comment on column bridge.valid_version.effective_at is 'Since when it was so';
comment on column bridge.valid_version.kind is 'full, partial or tombstone; of equal times the later in the alphabet holds';
comment on column bridge.valid_version.confirmed_at is 'Of equal times and kinds, the one confirmed last holds';
comment on column bridge.valid_version.tie is 'Decides among whole statements that contradict each other until the source is asked';
comment on column bridge.valid_version.content_hash is 'Decides when all else is equal';
comment on column bridge.valid_version.observed_at is 'When the bridge received it, or sent the request that it answers';
comment on column bridge.valid_version.via is 'Which way it came';
comment on column bridge.valid_version.status is 'Normalised status';
comment on column bridge.valid_version.body is 'The problem as it was';

create or replace view bridge.known_problem as
select
    p.source_id,
    p.id,
    s.name as source,
    p.first_seen_at,
    bridge.plausible(p.created_at, p.observed_at) as created_at,
    bridge.plausible(p.resolved_at, p.observed_at) as resolved_at
from bridge.service_problem as p
inner join bridge.source as s on p.source_id = s.id;
comment on view bridge.known_problem is 'Problems ever received, with the name of their source, for report.service_problem_at';
comment on column bridge.known_problem.source_id is 'Source';
comment on column bridge.known_problem.id is 'Problem';
comment on column bridge.known_problem.source is 'Name of the source';
comment on column bridge.known_problem.first_seen_at is 'When the bridge first received it';
comment on column bridge.known_problem.created_at is 'When it was raised; null when the source does not say, or not plausibly';
comment on column bridge.known_problem.resolved_at is 'When it was resolved; null when the source does not say, or not plausibly';

create or replace view bridge.valid_status as
select
    c.source_id,
    c.problem_id,
    coalesce(bridge.plausible(c.effective_at, c.observed_at), bridge.plausible(c.stated_at, c.observed_at), c.observed_at) as since,
    c.stated_at,
    c.confirmed_at,
    c.status,
    c.status_raw
from bridge.status_change as c
where not c.superseded;
comment on view bridge.valid_status is 'Statuses that no later answer contradicts, for report.service_problem_at';
comment on column bridge.valid_status.source_id is 'As in bridge.status_change';
comment on column bridge.valid_status.problem_id is 'As in bridge.status_change';
comment on column bridge.valid_status.since is 'Since when the problem had it: the time the source states where that is plausible, else when it was received';
comment on column bridge.valid_status.stated_at is 'As in bridge.status_change';
comment on column bridge.valid_status.confirmed_at is 'As in bridge.status_change';
comment on column bridge.valid_status.status is 'As in bridge.status_change';
comment on column bridge.valid_status.status_raw is 'As in bridge.status_change';

-- report.service_problem_at is inlined into the query of its caller, who therefore needs to read these three.
grant select on bridge.valid_version, bridge.valid_status, bridge.known_problem to public;

create or replace function report.service_problem_at(at timestamptz) returns setof report.service_problem
language sql stable parallel safe
begin atomic
    select
        k.source,
        k.id,
        t.body ->> 'href' as href,
        t.body ->> 'name' as name,
        case
            -- the source's own word for when it was resolved, as in bridge.status_entry
            when
                coalesce(c.status, 'unknown') not in ('resolved', 'closed', 'cancelled', 'rejected')
                and k.resolved_at <= m.until
                and k.resolved_at >= greatest(c.since, k.created_at, '-infinity')
                and (
                    select e.status in ('resolved', 'closed') from bridge.valid_status as e
                    where e.source_id = k.source_id and e.problem_id = k.id and e.since > m.until and e.status <> 'unknown'
                    order by e.since, e.stated_at
                    limit 1
                )
                then 'resolved'
            when t.kind is null or c.since > t.effective_at then coalesce(c.status, 'unknown')
            else t.status
        end as status,
        case when t.kind is null or c.since > t.effective_at then c.status_raw else t.body ->> 'status' end as status_raw,
        t.body ->> 'category' as category,
        bridge.parse_integer(t.body -> 'priority') as priority,
        t.body ->> 'description' as description,
        t.body ->> 'reason' as reason,
        t.body ->> 'originatingSystem' as originating_system,
        coalesce(
            t.body -> 'originatorParty' ->> 'name', t.body -> 'originatorParty' ->> 'id', t.body ->> 'originatorParty'
        ) as originator,
        coalesce(
            t.body -> 'responsibleParty' ->> 'name', t.body -> 'responsibleParty' ->> 'id', t.body ->> 'responsibleParty'
        ) as responsible,
        t.body -> 'externalIdentifier' -> 0 ->> 'id' as external_id,
        coalesce(bridge.parse_timestamp(t.body -> 'creationDate'), case when t.kind is null then k.created_at end) as created_at,
        bridge.parse_timestamp(t.body -> 'lastUpdate') as updated_at,
        bridge.parse_timestamp(t.body -> 'statusChangeDate') as status_changed_at,
        bridge.parse_timestamp(t.body -> 'resolutionDate') as resolved_at,
        coalesce(
            bridge.parse_integer(t.body -> 'affectedNumberOfServices'),
            case when jsonb_typeof(t.body -> 'affectedService') = 'array' then jsonb_array_length(t.body -> 'affectedService') end
        ) as affected_services,
        k.first_seen_at,
        t.observed_at as last_seen_at,
        t.via as last_changed_via,
        null::timestamptz as deleted_at,
        t.body,
        (
            select min(v.effective_at) from bridge.valid_version as v
            where v.source_id = k.source_id and v.problem_id = k.id
        ) as known_since
    from (select at as until) as m
    cross join bridge.known_problem as k
    left join lateral (
        select
            v.effective_at,
            v.kind,
            v.status,
            v.observed_at,
            v.via,
            v.body
        from bridge.valid_version as v
        where v.source_id = k.source_id and v.problem_id = k.id and v.effective_at <= m.until
        order by v.effective_at desc, v.kind desc, v.confirmed_at desc nulls last, v.tie desc nulls last, v.content_hash desc
        limit 1
    ) as t on true
    -- the status that the source dates last before that time, also where no version is known
    left join lateral (
        select
            e.since,
            e.status,
            e.status_raw
        from bridge.valid_status as e
        where e.source_id = k.source_id and e.problem_id = k.id and e.since <= m.until
        order by e.since desc, e.stated_at desc, e.confirmed_at desc nulls last, e.status collate "C" desc
        limit 1
    ) as c on true
    where
        (t.kind is null and (k.created_at <= m.until or c.status is not null))
        or t.kind = 'full'
        -- a patch brings no deleted problem back
        or (
            t.kind = 'partial'
            and (
                select v.kind
                from bridge.valid_version as v
                where
                    v.source_id = k.source_id
                    and v.problem_id = k.id
                    and v.effective_at <= m.until
                    and v.kind <> 'partial'
                order by v.effective_at desc, v.kind desc
                limit 1
            ) is distinct from 'tombstone'
        );
end;
comment on function report.service_problem_at(timestamptz) is
'The service problems that existed at that time, as they were then by the source''s clock, with all that is known today about that time. '
'Columns as in report.service_problem; but first_seen_at is when the bridge first received the problem, last_seen_at when it received what was '
'so then, last_changed_via how, and deleted_at is always null. Where known_since is later than that time, the problem is known to have existed by its '
'creation date alone: its status is the one that a status date names, else unknown, and the other attributes are null. '
'As many are open (status not resolved, closed, cancelled or rejected) as report.daily_flow says';

-- The elements of the lists of a problem

create or replace view report.affected_service as
select
    s.name as source,
    p.id,
    e.ordinal as position,
    e.item ->> 'id' as service_id,
    e.item ->> 'name' as name,
    e.item ->> 'href' as href,
    coalesce(e.item ->> '@referredType', e.item ->> '@type') as type,
    e.item as body,
    p.deleted_at
from bridge.service_problem_with_body as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.list_element(p.body -> 'affectedService', 'id') as e;
comment on view report.affected_service is
'A service that a problem affects; of deleted problems too (deleted_at is set). Key: source, id, position. Joins: report.service_problem on source, id';
comment on column report.affected_service.source is 'Name of the source in the bridge''s configuration';
comment on column report.affected_service.id is 'Id of the problem at its source';
comment on column report.affected_service.position is 'Place in the list, from 1';
comment on column report.affected_service.service_id is 'Id of the service';
comment on column report.affected_service.name is 'Name of the service';
comment on column report.affected_service.href is 'Link to the service';
comment on column report.affected_service.type is 'Kind of service, as the source puts it';
comment on column report.affected_service.body is 'Everything the source says of it; a bare text stands under id';
comment on column report.affected_service.deleted_at is 'Since when the problem is gone at its source; null while it exists';

create or replace view report.affected_resource as
select
    s.name as source,
    p.id,
    e.ordinal as position,
    e.item ->> 'id' as resource_id,
    e.item ->> 'name' as name,
    e.item ->> 'href' as href,
    coalesce(e.item ->> '@referredType', e.item ->> '@type') as type,
    e.item as body,
    p.deleted_at
from bridge.service_problem_with_body as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.list_element(p.body -> 'affectedResource', 'id') as e;
comment on view report.affected_resource is
'A resource (a device, a line, a site) that a problem affects; of deleted problems too (deleted_at is set)'
'. Key: source, id, position. Joins: report.service_problem on source, id';
comment on column report.affected_resource.source is 'Name of the source in the bridge''s configuration';
comment on column report.affected_resource.id is 'Id of the problem at its source';
comment on column report.affected_resource.position is 'Place in the list, from 1';
comment on column report.affected_resource.resource_id is 'Id of the resource';
comment on column report.affected_resource.name is 'Name of the resource';
comment on column report.affected_resource.href is 'Link to the resource';
comment on column report.affected_resource.type is 'Kind of resource, as the source puts it';
comment on column report.affected_resource.body is 'Everything the source says of it; a bare text stands under id';
comment on column report.affected_resource.deleted_at is 'Since when the problem is gone at its source; null while it exists';

create or replace view report.affected_location as
select
    s.name as source,
    p.id,
    e.ordinal as position,
    e.item ->> 'id' as location_id,
    e.item ->> 'name' as name,
    e.item ->> 'role' as role,
    e.item ->> 'href' as href,
    coalesce(e.item ->> '@referredType', e.item ->> '@type') as type,
    e.item as body,
    p.deleted_at
from bridge.service_problem_with_body as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.list_element(p.body -> 'affectedLocation', 'name') as e;
comment on view report.affected_location is
'A place that a problem affects; of deleted problems too (deleted_at is set). Key: source, id, position. Joins: report.service_problem on source, id';
comment on column report.affected_location.source is 'Name of the source in the bridge''s configuration';
comment on column report.affected_location.id is 'Id of the problem at its source';
comment on column report.affected_location.position is 'Place in the list, from 1';
comment on column report.affected_location.location_id is 'Id of the place';
comment on column report.affected_location.name is 'Name of the place';
comment on column report.affected_location.role is 'What the place is to the problem';
comment on column report.affected_location.href is 'Link to the place';
comment on column report.affected_location.type is 'Kind of place, as the source puts it';
comment on column report.affected_location.body is 'Everything the source says of it; a bare text stands under name';
comment on column report.affected_location.deleted_at is 'Since when the problem is gone at its source; null while it exists';

create or replace view report.related_party as
select
    s.name as source,
    p.id,
    e.ordinal as position,
    coalesce(e.item ->> 'partyId', e.item ->> 'id') as party_id,
    coalesce(e.item ->> 'partyName', e.item ->> 'name') as name,
    e.item ->> 'role' as role,
    e.item ->> 'href' as href,
    coalesce(e.item ->> '@referredType', e.item ->> '@type') as type,
    e.item as body,
    p.deleted_at
from bridge.service_problem_with_body as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.list_element(p.body -> 'relatedParty', 'name') as e;
comment on view report.related_party is
'A person or an organisation that has to do with a problem; of deleted problems too (deleted_at is set)'
'. Key: source, id, position. Joins: report.service_problem on source, id';
comment on column report.related_party.source is 'Name of the source in the bridge''s configuration';
comment on column report.related_party.id is 'Id of the problem at its source';
comment on column report.related_party.position is 'Place in the list, from 1';
comment on column report.related_party.party_id is 'Id of the party';
comment on column report.related_party.name is 'Name of the party';
comment on column report.related_party.role is 'What the party is to the problem: customer, supplier, …';
comment on column report.related_party.href is 'Link to the party';
comment on column report.related_party.type is 'Kind of party: Individual, Organization, …';
comment on column report.related_party.body is 'Everything the source says of it; a bare text stands under name';
comment on column report.related_party.deleted_at is 'Since when the problem is gone at its source; null while it exists';

create or replace view report.note as
select
    s.name as source,
    p.id,
    e.ordinal as position,
    e.item ->> 'id' as note_id,
    bridge.parse_timestamp(e.item -> 'date') as written_at,
    coalesce(e.item -> 'author' ->> 'name', e.item -> 'author' ->> 'id', e.item ->> 'author') as author,
    e.item ->> 'system' as system,
    e.item ->> 'text' as text,
    e.item as body,
    p.deleted_at
from bridge.service_problem_with_body as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.list_element(p.body -> 'note', 'text') as e;
comment on view report.note is
'A note or comment on a problem; of deleted problems too (deleted_at is set). Key: source, id, position. Joins: report.service_problem on source, id';
comment on column report.note.source is 'Name of the source in the bridge''s configuration';
comment on column report.note.id is 'Id of the problem at its source';
comment on column report.note.position is 'Place in the list, from 1';
comment on column report.note.note_id is 'Id of the note';
comment on column report.note.written_at is
'When it was written, by the source''s clock; null when it does not say, or not readably';
comment on column report.note.author is 'Who wrote it (name, else id)';
comment on column report.note.system is 'System it was written in';
comment on column report.note.text is 'What it says';
comment on column report.note.body is 'Everything the source says of it; a bare text stands under text';
comment on column report.note.deleted_at is 'Since when the problem is gone at its source; null while it exists';

create or replace view report.characteristic as
select
    s.name as source,
    p.id,
    e.ordinal as position,
    e.item ->> 'id' as characteristic_id,
    e.item ->> 'name' as name,
    e.item ->> 'value' as value,
    e.item ->> 'valueType' as value_type,
    e.item as body,
    p.deleted_at
from bridge.service_problem_with_body as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.list_element(p.body -> 'characteristic', 'name') as e;
comment on view report.characteristic is
'An additional, named value of a problem; of deleted problems too (deleted_at is set). Key: source, id, position. Joins: report.service_problem on source, id';
comment on column report.characteristic.source is 'Name of the source in the bridge''s configuration';
comment on column report.characteristic.id is 'Id of the problem at its source';
comment on column report.characteristic.position is 'Place in the list, from 1';
comment on column report.characteristic.characteristic_id is 'Id of the characteristic';
comment on column report.characteristic.name is 'Its name';
comment on column report.characteristic.value is 'Its value as text; null where it is kept otherwise (see body)';
comment on column report.characteristic.value_type is 'Type of the value, as the source puts it';
comment on column report.characteristic.body is 'Everything the source says of it; a bare text stands under name';
comment on column report.characteristic.deleted_at is 'Since when the problem is gone at its source; null while it exists';

create or replace view report.trouble_ticket as
select
    s.name as source,
    p.id,
    e.ordinal as position,
    e.item ->> 'id' as ticket_id,
    e.item ->> 'name' as name,
    e.item ->> 'href' as href,
    coalesce(e.item ->> '@referredType', e.item ->> '@type') as type,
    e.item as body,
    p.deleted_at
from bridge.service_problem_with_body as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.list_element(p.body -> 'troubleTicket', 'id') as e;
comment on view report.trouble_ticket is
'A trouble ticket that belongs to a problem; of deleted problems too (deleted_at is set)'
'. Key: source, id, position. Joins: report.service_problem on source, id';
comment on column report.trouble_ticket.source is 'Name of the source in the bridge''s configuration';
comment on column report.trouble_ticket.id is 'Id of the problem at its source';
comment on column report.trouble_ticket.position is 'Place in the list, from 1';
comment on column report.trouble_ticket.ticket_id is 'Id of the ticket';
comment on column report.trouble_ticket.name is 'Name of the ticket';
comment on column report.trouble_ticket.href is 'Link to the ticket';
comment on column report.trouble_ticket.type is 'Kind of ticket, as the source puts it';
comment on column report.trouble_ticket.body is 'Everything the source says of it; a bare text stands under id';
comment on column report.trouble_ticket.deleted_at is 'Since when the problem is gone at its source; null while it exists';

create or replace view report.tracking_record as
select
    s.name as source,
    p.id,
    e.ordinal as position,
    e.item ->> 'id' as record_id,
    bridge.parse_timestamp(e.item -> 'time') as recorded_at,
    coalesce(e.item -> 'user' ->> 'name', e.item -> 'user' ->> 'id', e.item ->> 'user') as author,
    e.item ->> 'systemId' as system,
    e.item ->> 'description' as description,
    e.item as body,
    p.deleted_at
from bridge.service_problem_with_body as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.list_element(p.body -> 'trackingRecord', 'description') as e;
comment on view report.tracking_record is
'A step in the handling of a problem, as its source recorded it; of deleted problems too (deleted_at is set)'
'. Key: source, id, position. Joins: report.service_problem on source, id';
comment on column report.tracking_record.source is 'Name of the source in the bridge''s configuration';
comment on column report.tracking_record.id is 'Id of the problem at its source';
comment on column report.tracking_record.position is 'Place in the list, from 1';
comment on column report.tracking_record.record_id is 'Id of the record';
comment on column report.tracking_record.recorded_at is
'When it was recorded, by the source''s clock; null when it does not say, or not readably';
comment on column report.tracking_record.author is 'Who did it (name, else id)';
comment on column report.tracking_record.system is 'System it was done in';
comment on column report.tracking_record.description is 'What was done';
comment on column report.tracking_record.body is
'Everything the source says of it; a bare text stands under description';
comment on column report.tracking_record.deleted_at is 'Since when the problem is gone at its source; null while it exists';

create or replace view report.parent_problem as
select
    s.name as source,
    p.id,
    e.ordinal as position,
    e.item ->> 'id' as parent_id,
    e.item ->> 'name' as name,
    e.item ->> 'href' as href,
    e.item as body,
    p.deleted_at
from bridge.service_problem_with_body as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.list_element(p.body -> 'parentProblem', 'id') as e;
comment on view report.parent_problem is
'A problem that another one belongs to: join parent_id with id to climb; of deleted problems too (deleted_at is set)'
'. Key: source, id, position. Joins: report.service_problem on source, id, and once more on source, id = parent_id';
comment on column report.parent_problem.source is 'Name of the source in the bridge''s configuration';
comment on column report.parent_problem.id is 'Id of the problem at its source';
comment on column report.parent_problem.position is 'Place in the list, from 1';
comment on column report.parent_problem.parent_id is 'Id of the parent problem, at the same source';
comment on column report.parent_problem.name is 'Name of the parent problem';
comment on column report.parent_problem.href is 'Link to the parent problem';
comment on column report.parent_problem.body is 'Everything the source says of it; a bare text stands under id';
comment on column report.parent_problem.deleted_at is 'Since when the problem is gone at its source; null while it exists';

create or replace view report.underlying_problem as
select
    s.name as source,
    p.id,
    e.ordinal as position,
    e.item ->> 'id' as underlying_id,
    e.item ->> 'name' as name,
    e.item ->> 'href' as href,
    e.item as body,
    p.deleted_at
from bridge.service_problem_with_body as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.list_element(p.body -> 'underlyingProblem', 'id') as e;
comment on view report.underlying_problem is
'A problem that causes another one: join underlying_id with id; of deleted problems too (deleted_at is set)'
'. Key: source, id, position. Joins: report.service_problem on source, id, and once more on source, id = underlying_id';
comment on column report.underlying_problem.source is 'Name of the source in the bridge''s configuration';
comment on column report.underlying_problem.id is 'Id of the problem at its source';
comment on column report.underlying_problem.position is 'Place in the list, from 1';
comment on column report.underlying_problem.underlying_id is 'Id of the underlying problem, at the same source';
comment on column report.underlying_problem.name is 'Name of the underlying problem';
comment on column report.underlying_problem.href is 'Link to the underlying problem';
comment on column report.underlying_problem.body is 'Everything the source says of it; a bare text stands under id';
comment on column report.underlying_problem.deleted_at is 'Since when the problem is gone at its source; null while it exists';

create or replace view report.underlying_alarm as
select
    s.name as source,
    p.id,
    e.ordinal as position,
    e.item ->> 'id' as alarm_id,
    e.item ->> 'href' as href,
    coalesce(e.item ->> '@referredType', e.item ->> '@type') as type,
    e.item as body,
    p.deleted_at
from bridge.service_problem_with_body as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.list_element(p.body -> 'underlyingAlarm', 'id') as e;
comment on view report.underlying_alarm is
'An alarm that a problem is about; of deleted problems too (deleted_at is set). Key: source, id, position. Joins: report.service_problem on source, id';
comment on column report.underlying_alarm.source is 'Name of the source in the bridge''s configuration';
comment on column report.underlying_alarm.id is 'Id of the problem at its source';
comment on column report.underlying_alarm.position is 'Place in the list, from 1';
comment on column report.underlying_alarm.alarm_id is 'Id of the alarm';
comment on column report.underlying_alarm.href is 'Link to the alarm';
comment on column report.underlying_alarm.type is 'Kind of alarm, as the source puts it';
comment on column report.underlying_alarm.body is 'Everything the source says of it; a bare text stands under id';
comment on column report.underlying_alarm.deleted_at is 'Since when the problem is gone at its source; null while it exists';

create or replace view report.external_identifier as
select
    s.name as source,
    p.id,
    e.ordinal as position,
    e.item ->> 'id' as external_id,
    e.item ->> 'owner' as owner,
    e.item ->> 'externalIdentifierType' as type,
    e.item ->> 'href' as href,
    e.item as body,
    p.deleted_at
from bridge.service_problem_with_body as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral bridge.list_element(p.body -> 'externalIdentifier', 'id') as e;
comment on view report.external_identifier is
'An id that a problem has in another system; of deleted problems too (deleted_at is set)'
'. Key: source, id, position. Joins: report.service_problem on source, id';
comment on column report.external_identifier.source is 'Name of the source in the bridge''s configuration';
comment on column report.external_identifier.id is 'Id of the problem at its source';
comment on column report.external_identifier.position is 'Place in the list, from 1';
comment on column report.external_identifier.external_id is 'Id in another system';
comment on column report.external_identifier.owner is 'The other system, as the source names it';
comment on column report.external_identifier.type is 'Kind of identifier; correlationId where versions 2 and 3 have one';
comment on column report.external_identifier.href is 'Link to it';
comment on column report.external_identifier.body is 'Everything the source says of it; a bare text stands under id';
comment on column report.external_identifier.deleted_at is 'Since when the problem is gone at its source; null while it exists';

create or replace view report.root_cause as
select
    s.name as source,
    p.id,
    c.kind,
    e.ordinal as position,
    e.item ->> 'id' as cause_id,
    e.item ->> 'name' as name,
    e.item ->> 'href' as href,
    coalesce(e.item ->> '@referredType', e.item ->> '@type') as type,
    e.item as body,
    p.deleted_at
from bridge.service_problem_with_body as p
inner join bridge.source as s on p.source_id = s.id
cross join (values ('service', 'rootCauseService'), ('resource', 'rootCauseResource')) as c (kind, attribute)
cross join lateral bridge.list_element(p.body -> c.attribute, 'id') as e;
comment on view report.root_cause is
'A service or resource that is the cause of a problem; of deleted problems too (deleted_at is set)'
'. Key: source, id, kind, position. Joins: report.service_problem on source, id';
comment on column report.root_cause.source is 'Name of the source in the bridge''s configuration';
comment on column report.root_cause.id is 'Id of the problem at its source';
comment on column report.root_cause.kind is 'service or resource';
comment on column report.root_cause.position is 'Place in the list of this kind, from 1';
comment on column report.root_cause.cause_id is 'Id of the service or resource';
comment on column report.root_cause.name is 'Name of the service or resource';
comment on column report.root_cause.href is 'Link to the service or resource';
comment on column report.root_cause.type is 'Kind of service or resource, as the source puts it';
comment on column report.root_cause.body is 'Everything the source says of it; a bare text stands under id';
comment on column report.root_cause.deleted_at is 'Since when the problem is gone at its source; null while it exists';

-- Attributes of a source's own, as columns

create or replace function bridge.extra_value(body jsonb, path jsonpath) returns jsonb
language sql immutable parallel safe
begin atomic
    select nullif(jsonb_path_query_first(body, path, '{}', true), 'null');
end;
comment on function bridge.extra_value(jsonb, jsonpath) is 'The first value at a path, null when there is none';

create or replace function bridge.extra_numeric(body jsonb, path jsonpath) returns numeric
language sql immutable parallel safe
begin atomic
    select
        case when v.text ~ '^\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*$' then v.text::numeric end
    from (select bridge.extra_value(body, path) #>> '{}' as text) as v;
end;
comment on function bridge.extra_numeric(jsonb, jsonpath) is 'The first value at a path as a number, null when it is none';

create or replace function bridge.extra_boolean(body jsonb, path jsonpath) returns boolean
language sql immutable parallel safe
begin atomic
    select
        case
            when lower(trim(v.text)) in ('true', 't', 'yes', 'y', 'on', '1') then true
            when lower(trim(v.text)) in ('false', 'f', 'no', 'n', 'off', '0') then false
        end
    from (select bridge.extra_value(body, path) #>> '{}' as text) as v;
end;
comment on function bridge.extra_boolean(jsonb, jsonpath) is 'The first value at a path as true or false, null when it is neither';

create or replace view report.service_problem_extra as
select
    s.name as source,
    p.id,
    p.deleted_at
from bridge.service_problem_with_body as p
inner join bridge.source as s on p.source_id = s.id;
comment on view report.service_problem_extra is
'Attributes that the configuration of a source names (sources.NAME.columns), a column each; of deleted problems too. Key: source, id. '
'Joins: report.service_problem on source, id';
comment on column report.service_problem_extra.source is 'Name of the source in the bridge''s configuration';
comment on column report.service_problem_extra.id is 'Id of the problem at its source';
comment on column report.service_problem_extra.deleted_at is 'Since when the problem is gone at its source; null while it exists';

create or replace function bridge.set_extra_columns(columns jsonb) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
declare
    made text[];
    wanted text[];
    fault text;
    definition text;
begin
    perform pg_advisory_xact_lock(656000003);
    create temporary table wanted_column on commit drop as
    select
        s.key as source,
        c.key as name,
        case
            when c.value like '$%' then split_part(c.value, '::', 1)
            else (select '$' || string_agg('.' || to_json(w.word)::text, '' order by w.n)
                from unnest(string_to_array(split_part(c.value, '::', 1), '.')) with ordinality as w (word, n))
        end as path,
        coalesce(nullif(substring(c.value from '::([a-z]+)$'), ''), 'text') as type
    from jsonb_each(columns) as s
    cross join lateral jsonb_each_text(s.value) as c;
    if not exists (
        (table wanted_column except select e.source, e.name, e.path, e.type from bridge.extra_column as e)
        union all
        (select e.source, e.name, e.path, e.type from bridge.extra_column as e except table wanted_column)
    ) then
        drop table wanted_column;
        return false;
    end if;
    select format('sources.%s.columns.%s: the name is taken by a column of the view; choose another', w.source, w.name) into fault
    from wanted_column as w where w.name in ('source', 'id', 'deleted_at') or w.name !~ '^[a-z_][a-z0-9_]{0,62}$' limit 1;
    if fault is null then
        select format('sources.*.columns.%s has several types (%s); give it the same everywhere', w.name, string_agg(distinct w.type, ', '))
        into fault
        from wanted_column as w group by w.name having count(distinct w.type) > 1 limit 1;
    end if;
    if fault is not null then
        raise invalid_parameter_value using message = fault;
    end if;
    delete from bridge.extra_column;
    insert into bridge.extra_column (source, name, path, type)
    select w.source, w.name, w.path, w.type from wanted_column as w;
    drop table wanted_column;

    -- columns that are there keep their place, so that the views of others on this one stay
    select array_agg(a.attname::text order by a.attnum) into made
    from pg_attribute as a
    where a.attrelid = 'report.service_problem_extra'::regclass and a.attnum > 3 and not a.attisdropped;
    select array_agg(e.name order by array_position(made, e.name), e.name) into wanted
    from (select distinct x.name from bridge.extra_column as x) as e;
    if exists (
        select from pg_attribute as a
        left join (select distinct x.name, x.type from bridge.extra_column as x) as e on a.attname = e.name
        where a.attrelid = 'report.service_problem_extra'::regclass and a.attnum > 3
            and format_type(a.atttypid, null) is distinct from case e.type when 'timestamptz' then 'timestamp with time zone' else e.type end
    ) then
        drop view report.service_problem_extra;
    end if;
    select string_agg(format(
        E',\n    case s.name %s end as %I',
        (
            select string_agg(format(
                'when %L then %s', e.source, case e.type
                    when 'numeric' then format('bridge.extra_numeric(p.body, %L)', e.path)
                    when 'boolean' then format('bridge.extra_boolean(p.body, %L)', e.path)
                    when 'timestamptz' then format('bridge.parse_timestamp(bridge.extra_value(p.body, %L))', e.path)
                    when 'jsonb' then format('bridge.extra_value(p.body, %L)', e.path)
                    else format('(bridge.extra_value(p.body, %L) #>> ''{}'')', e.path)
                end
            ), ' ' order by e.source)
            from bridge.extra_column as e where e.name = n.name
        ),
        n.name
    ), '' order by n.place) into definition
    from unnest(wanted) with ordinality as n (name, place);
    execute 'create or replace view report.service_problem_extra as select s.name as source, p.id, p.deleted_at' || coalesce(definition, '')
        || ' from bridge.service_problem_with_body as p inner join bridge.source as s on p.source_id = s.id';
    comment on view report.service_problem_extra is
    'Attributes that the configuration of a source names (sources.NAME.columns), a column each; of deleted problems too. Key: source, id. '
    'Joins: report.service_problem on source, id';
    comment on column report.service_problem_extra.source is 'Name of the source in the bridge''s configuration';
    comment on column report.service_problem_extra.id is 'Id of the problem at its source';
    comment on column report.service_problem_extra.deleted_at is 'Since when the problem is gone at its source; null while it exists';
    for definition in
        select format('comment on column report.service_problem_extra.%I is %L', e.name, string_agg(format('%s: %s', e.source, e.path), '; ' order by e.source))
        from bridge.extra_column as e group by e.name
    loop
        execute definition;
    end loop;
    return true;
end
$$;
comment on function bridge.set_extra_columns(jsonb) is
'Make the columns of report.service_problem_extra those of the configuration, {source: {name: path}}; return whether anything changed. A path is dotted '
'names or a JSON path from $ on, then ::numeric, ::boolean, ::timestamptz or ::jsonb where it is not text';
revoke execute on function bridge.set_extra_columns(jsonb) from public;

-- What was received, and which way changes were found

create or replace view report.notification as
select
    s.name as source,
    n.received_at,
    n.event_id,
    n.event_type,
    n.event_time,
    n.problem_id,
    n.outcome,
    coalesce(jsonb_set(n.body, '{event,serviceProblem}', v.body), n.body) as body,
    n.problem_id as id
from bridge.notification as n
inner join bridge.source as s on n.source_id = s.id
left join bridge.service_problem_version as v
    on
        n.source_id = v.source_id and n.problem_id = v.problem_id and n.effective_at = v.effective_at
        and n.content_hash = v.content_hash;
comment on view report.notification is
'Every notification that was answered. Joins: report.service_problem on source, id';
comment on column report.notification.source is 'Name of the source in the bridge''s configuration';
comment on column report.notification.received_at is 'When it arrived, by the bridge''s clock';
comment on column report.notification.event_id is 'Id the sender gave it; null when it gave none';
comment on column report.notification.event_type is 'Kind of event, in version 5 spelling where it is a known one';
comment on column report.notification.event_time is 'When it happened, by the sender''s clock';
comment on column report.notification.problem_id is 'Problem it is about; null when it names none';
comment on column report.notification.outcome is
'applied; unchanged: nothing new in it; duplicate; stale: older than what was known; filtered: of a problem that the source''s filter does not '
'keep; dead_letter: kept, not understood';
comment on column report.notification.body is
'The event as received; null for a duplicate and for what is not JSON. The problem in it goes when its version is pruned';
comment on column report.notification.id is 'The same as problem_id: what the other views call the problem';

create or replace view report.hourly_change as
select
    s.name as source,
    c.hour,
    coalesce(sum(c.times) filter (where c.via = 'push'), 0)::bigint as by_push,
    coalesce(sum(c.times) filter (where c.via = 'poll'), 0)::bigint as by_poll,
    coalesce(sum(c.times) filter (where c.via = 'reconcile'), 0)::bigint as by_reconcile,
    coalesce(sum(c.times) filter (where c.via = 'refetch'), 0)::bigint as by_refetch
from (
    select
        v.source_id,
        bridge.hour_of(v.observed_at) as hour,
        v.via,
        count(*) as times
    from bridge.service_problem_version as v
    inner join bridge.source as b on v.source_id = b.id
    where v.kind <> 'tombstone' and (v.effective_at >= b.created_at) is true
    group by v.source_id, bridge.hour_of(v.observed_at), v.via
) as c
inner join bridge.source as s on c.source_id = s.id
group by s.name, c.hour;
comment on view report.hourly_change is
'Which way changes were found, per source and hour (UTC, the bridge''s clock): the counts of report.push_quality alone, which are quicker to compute. '
'Hours in which nothing was found are left out. Key: source, hour. Joins: report.push_quality on source, hour';
comment on column report.hourly_change.source is 'Name of the source in the bridge''s configuration';
comment on column report.hourly_change.hour is 'Start of the hour in which the bridge found the changes';
comment on column report.hourly_change.by_push is 'Changes that a notification brought';
comment on column report.hourly_change.by_poll is 'Changes that a poll found first';
comment on column report.hourly_change.by_reconcile is 'Changes that only a pass over everything found';
comment on column report.hourly_change.by_refetch is
'Answers to questions about a single problem; mostly the rest of a change that a notification brought in part';

create or replace view report.push_quality as
with found as (
    select
        c.source,
        c.hour,
        c.by_push,
        c.by_poll,
        c.by_reconcile,
        c.by_refetch,
        null::double precision as delay_seconds,
        null::bigint as missed,
        null::bigint as late
    from report.hourly_change as c
    union all
    select
        s.name as source,
        bridge.hour_of(n.received_at) as hour,
        null::bigint as by_push,
        null::bigint as by_poll,
        null::bigint as by_reconcile,
        null::bigint as by_refetch,
        extract(epoch from n.received_at - n.event_time)::double precision as delay_seconds,
        null::bigint as missed,
        null::bigint as late
    from bridge.notification as n
    inner join bridge.source as s on n.source_id = s.id
    where n.event_time is not null and n.outcome in ('applied', 'unchanged', 'stale')
    union all
    select
        s.name as source,
        p.hour,
        null::bigint as by_push,
        null::bigint as by_poll,
        null::bigint as by_reconcile,
        null::bigint as by_refetch,
        null::double precision as delay_seconds,
        p.missed,
        p.late
    from bridge.push_outcome as p
    inner join bridge.source as s on p.source_id = s.id
)

select
    f.source,
    f.hour,
    coalesce(sum(f.by_push), 0)::bigint as by_push,
    coalesce(sum(f.by_poll), 0)::bigint as by_poll,
    coalesce(sum(f.by_reconcile), 0)::bigint as by_reconcile,
    coalesce(sum(f.by_refetch), 0)::bigint as by_refetch,
    coalesce(sum(f.missed), 0)::double precision
    / nullif(coalesce(sum(f.by_push), 0) + coalesce(sum(f.missed + f.late), 0), 0)::double precision as miss_ratio,
    percentile_cont(0.5) within group (order by f.delay_seconds) as median_delay_seconds,
    percentile_cont(0.95) within group (order by f.delay_seconds) as p95_delay_seconds,
    coalesce(sum(f.missed), 0)::bigint as missed,
    coalesce(sum(f.late), 0)::bigint as late
from found as f
group by f.source, f.hour;
comment on view report.push_quality is
'Which way changes were found, per source and hour (UTC, the bridge''s clock); hours in which nothing was found or received are left out. '
'Not counted: what was already so when the bridge first met the source, and deletions, of which most servers send no notification'
'. Key: source, hour. Joins: report.hourly_change on source, hour';
comment on column report.push_quality.source is 'Name of the source in the bridge''s configuration';
comment on column report.push_quality.hour is 'Start of the hour in which the bridge found the changes';
comment on column report.push_quality.by_push is 'Changes that a notification brought';
comment on column report.push_quality.by_poll is 'Changes that a poll found first; see missed and late for what became of their notifications';
comment on column report.push_quality.by_reconcile is 'Changes that only a pass over everything found';
comment on column report.push_quality.by_refetch is
'Answers to questions about a single problem; mostly the rest of a change that a notification brought in part, so not in miss_ratio';
comment on column report.push_quality.miss_ratio is
'Share of the changes that push should have brought and did not: missed / (by_push + late + missed); null when there were none';
comment on column report.push_quality.median_delay_seconds is
'Half of the notifications took less from event time to arrival (they are visible when they are answered); below 0 when clocks differ; repeats left out';
comment on column report.push_quality.p95_delay_seconds is '95 of 100 notifications took less';
comment on column report.push_quality.missed is
'Changes found by a poll while push was in use, whose notification did not arrive within ten seconds; '
'of several changes of one problem between two polls only the last can be found';
comment on column report.push_quality.late is 'Changes found by a poll, whose notification arrived a little later: nothing was missed';

-- Whether the summaries can be used, and what changed after them. Readers of the views below may not name schema bridge, so these two
-- run with the rights of their owner.

create or replace function bridge.summary_usable() returns boolean
language sql stable parallel safe security definer
begin atomic
    select
        m.complete
        and m.committed <= pg_snapshot_xmax(pg_current_snapshot())
        and not exists (
            select from bridge.source as s
            left join bridge.watermark as w on s.id = w.source_id
            where greatest(s.last_push_at, w.finished_at) > m.maintained_at + interval '5 minutes'
        )
    from bridge.summary as m;
end;
comment on function bridge.summary_usable() is
'Whether reports may use bridge.resolution together with bridge.unsummarised(). No before it is complete, no when the position counts transactions of another '
'server (restored dump), and no when something was received five minutes after the summaries were last maintained';

create or replace function bridge.unsummarised() returns table (source_id smallint, id text)
language sql stable parallel safe security definer rows 100
begin atomic
    select distinct
        c.source_id,
        u.id
    from bridge.summary as m
    inner join bridge.change as c on (c.committed, c.id) > (m.committed, m.change_id)
    cross join lateral unnest(c.problem_ids) as u (id);
end;
comment on function bridge.unsummarised() is 'Problems that changed after the summaries were computed';

-- How long things took, and how many there were

create or replace view bridge.daily_flow_kind as
select
    k.kind,
    k.created,
    k.resolved,
    k.closed,
    k.reopened,
    k.cancelled,
    k.deleted,
    k.opened
from (
    values
    (0, 1, 0, 0, 0, 0, 0, 1), -- raised
    (1, 0, 1, 0, 0, 0, 0, -1), -- open → done
    (2, 0, 1, 0, 0, 0, 0, 0), -- dropped → done
    (3, 0, 0, 1, 0, 0, 0, 0), -- closed
    (4, 0, 0, 0, 1, 0, 0, 1), -- done → open
    (5, 0, 0, 0, 0, 0, 0, 1), -- dropped → open
    (6, 0, 0, 0, 0, 1, 0, -1), -- open → dropped
    (7, 0, 0, 0, 0, 1, 0, 0), -- done → dropped
    (8, 0, 0, 0, 0, 0, 1, -1) -- deleted while open
) as k (kind, created, resolved, closed, reopened, cancelled, deleted, opened);
comment on view bridge.daily_flow_kind is 'What can happen to a problem on a day, and what each adds to the columns of report.daily_flow';
comment on column bridge.daily_flow_kind.kind is 'Its number in bridge.resolution.flow';
comment on column bridge.daily_flow_kind.created is 'Counts as created';
comment on column bridge.daily_flow_kind.resolved is 'Counts as resolved';
comment on column bridge.daily_flow_kind.closed is 'Counts as closed';
comment on column bridge.daily_flow_kind.reopened is 'Counts as reopened';
comment on column bridge.daily_flow_kind.cancelled is 'Counts as cancelled';
comment on column bridge.daily_flow_kind.deleted is 'Counts as deleted';
comment on column bridge.daily_flow_kind.opened is 'How many more are open after it';

create or replace function bridge.daily_flow_code(at timestamptz, kind integer) returns integer
language sql immutable parallel safe
begin atomic
    select floor((extract(epoch from at) - 946684800) / 900)::integer * 16 + kind;
end;
comment on function bridge.daily_flow_code(timestamptz, integer) is
'Time and kind as one number: quarters of an hour since 2000-01-01 (UTC), times 16, plus the kind. Days begin at a quarter in every time zone';

create or replace function bridge.daily_flow_day(code integer, zone text) returns date
language sql immutable parallel safe
begin atomic
    select (to_timestamp(946684800 + (code >> 4) * 900.0::double precision) at time zone zone)::date;
end;
comment on function bridge.daily_flow_day(integer, text) is 'The day of a number that bridge.daily_flow_code made, in a time zone';

create or replace function bridge.daily_flow_usable() returns boolean
language sql stable parallel safe security definer
begin atomic
    select bridge.summary_usable() and m.time_zone = report.time_zone() from bridge.summary as m;
end;
comment on function bridge.daily_flow_usable() is
'Whether report.daily_flow may use the sums of bridge.daily_flow, which are those of one time zone';

create or replace view bridge.status_entry as
select
    s.name as source,
    p.id,
    l.status,
    l.phase,
    l.status_before,
    l.phase_before,
    l.is_last,
    l.known_at,
    l.seconds,
    greatest(l.entered_at, p.created_at) as entered_at,
    greatest(
        -- the source's own word for when it was resolved, where it fits into what is known
        case
            when
                l.phase = 'done'
                and l.phase_before <> 'done'
                and p.resolved_at < l.entered_at
                and p.resolved_at >= greatest(l.entered_before, p.created_at, '-infinity')
                then p.resolved_at
            else l.entered_at
        end,
        p.created_at
    ) as phase_entered_at,
    case when l.left_at is null then l.began_at end as lasting_since,
    l.is_first
from (
    select
        n.source_id,
        n.id,
        bridge.plausible(n.created_at, n.observed_at) as created_at,
        bridge.plausible(n.resolved_at, n.observed_at) as resolved_at
    from bridge.service_problem as n
) as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral (
    select
        k.status,
        k.phase,
        k.entered_at,
        k.left_at,
        k.entered_at as began_at,
        k.known_at,
        k.seconds,
        lag(k.status) over history as status_before,
        lag(k.entered_at) over history as entered_before,
        lag(k.phase, 1, 'open') over history as phase_before,
        lead(k.phase) over history is null as is_last,
        lag(k.phase) over history is null as is_first
    from (
        select
            i.status,
            i.entered_at,
            i.left_at,
            i.seconds,
            min(i.entered_at) over () as known_at,
            case
                when i.status in ('resolved', 'closed') then 'done'
                when i.status in ('cancelled', 'rejected') then 'dropped'
                when i.status <> 'unknown' then 'open'
            end as phase
        from report.status_interval as i
        where i.source = s.name and i.id = p.id
    ) as k
    where k.phase is not null
    window history as (order by k.entered_at, k.left_at nulls last)
) as l;
comment on view bridge.status_entry is
'Each status a problem entered, with the one before. Status unknown is left out: the status before it goes on';
comment on column bridge.status_entry.source is 'Source';
comment on column bridge.status_entry.id is 'Problem';
comment on column bridge.status_entry.status is 'The status it came into';
comment on column bridge.status_entry.phase is 'open; done: resolved or closed; dropped: cancelled or rejected';
comment on column bridge.status_entry.status_before is 'The status it came from; null at first';
comment on column bridge.status_entry.phase_before is 'The phase it came from; a problem begins open';
comment on column bridge.status_entry.is_last is 'No later status is known';
comment on column bridge.status_entry.is_first is 'No earlier status is known';
comment on column bridge.status_entry.known_at is 'Since when anything is known of its status';
comment on column bridge.status_entry.seconds is 'How long it was, or has been, in this status';
comment on column bridge.status_entry.entered_at is 'When it came into this status, by the source''s clock; never before it was raised';
comment on column bridge.status_entry.phase_entered_at is 'When it came into this phase: as entered_at, but resolutionDate where that fits';
comment on column bridge.status_entry.lasting_since is 'Since when, as its source says, while it is still in this status; else null';

create or replace view bridge.computed_resolution as
select
    p.source_id,
    p.id,
    p.revision,
    p.status,
    p.category,
    p.priority,
    p.created_at,
    case when t.complete then t.acknowledged_at end as acknowledged_at,
    t.resolved_at,
    t.closed_at,
    t.seconds_held,
    t.held_since,
    t.seconds_pending,
    t.pending_since,
    t.times_reopened,
    p.deleted_at,
    coalesce(t.flow, '{}')
    || bridge.daily_flow_code(t.raised_at, 0)
    || case
        when p.deleted_at is not null and coalesce(t.last_phase, 'open') = 'open'
            then array[bridge.daily_flow_code(greatest(bridge.plausible(p.deleted_at, p.observed_at), t.raised_at, t.last_entered_at), 8)]
    end as flow,
    case when t.complete then t.raised_at else t.known_at end as known_since,
    t.complete
from (
    select
        n.source_id,
        n.id,
        n.revision,
        n.status,
        n.category,
        n.priority,
        bridge.plausible(n.created_at, n.observed_at) as created_at,
        n.deleted_at,
        n.observed_at,
        n.first_seen_at
    from bridge.service_problem as n
) as p
inner join bridge.source as s on p.source_id = s.id
cross join lateral (
    select
        coalesce(p.created_at, min(u.known_at), p.first_seen_at) as raised_at,
        -- raised while we watched the source, or first known in the status in which problems begin
        coalesce(
            p.created_at >= s.created_at
            or bool_or(u.status in ('submitted', 'acknowledged') or u.known_at <= p.created_at) filter (where u.is_first),
            false
        ) as complete,
        min(u.phase_entered_at) filter (where u.phase <> 'dropped' and u.status <> 'submitted') as acknowledged_at,
        case
            when bool_or(u.phase = 'done') filter (where u.is_last)
                then max(u.phase_entered_at) filter (where u.phase = 'done' and u.phase_before <> 'done')
        end as resolved_at,
        case
            when bool_or(u.status = 'closed') filter (where u.is_last)
                then max(u.entered_at) filter (where u.status = 'closed' and u.status_before is distinct from 'closed')
        end as closed_at,
        coalesce(sum(u.seconds) filter (where u.status = 'held' and u.lasting_since is null), 0) as seconds_held,
        min(u.lasting_since) filter (where u.status = 'held') as held_since,
        coalesce(sum(u.seconds) filter (where u.status = 'pending' and u.lasting_since is null), 0) as seconds_pending,
        min(u.lasting_since) filter (where u.status = 'pending') as pending_since,
        count(*) filter (where u.phase = 'open' and u.phase_before = 'done')::integer as times_reopened,
        min(u.known_at) as known_at,
        max(u.phase) filter (where u.is_last) as last_phase,
        max(u.entered_at) filter (where u.is_last) as last_entered_at,
        array_agg(
            bridge.daily_flow_code(
                u.phase_entered_at,
                case u.phase
                    when 'done' then case u.phase_before when 'open' then 1 else 2 end
                    when 'open' then case u.phase_before when 'done' then 4 else 5 end
                    else case u.phase_before when 'open' then 6 else 7 end
                end
            )
        ) filter (where u.phase <> u.phase_before)
        || array_agg(bridge.daily_flow_code(u.entered_at, 3)) filter (where u.status = 'closed' and u.status_before is distinct from 'closed')
            as flow
    from bridge.status_entry as u
    where u.source = s.name and u.id = p.id
) as t;
comment on view bridge.computed_resolution is 'A row of bridge.resolution as it follows from the facts now';
comment on column bridge.computed_resolution.source_id is 'As in bridge.resolution';
comment on column bridge.computed_resolution.id is 'As in bridge.resolution';
comment on column bridge.computed_resolution.revision is 'As in bridge.resolution';
comment on column bridge.computed_resolution.status is 'As in bridge.resolution';
comment on column bridge.computed_resolution.category is 'As in bridge.resolution';
comment on column bridge.computed_resolution.priority is 'As in bridge.resolution';
comment on column bridge.computed_resolution.created_at is 'As in bridge.resolution';
comment on column bridge.computed_resolution.acknowledged_at is 'As in bridge.resolution';
comment on column bridge.computed_resolution.resolved_at is 'As in bridge.resolution';
comment on column bridge.computed_resolution.closed_at is 'As in bridge.resolution';
comment on column bridge.computed_resolution.seconds_held is 'As in bridge.resolution';
comment on column bridge.computed_resolution.held_since is 'As in bridge.resolution';
comment on column bridge.computed_resolution.seconds_pending is 'As in bridge.resolution';
comment on column bridge.computed_resolution.pending_since is 'As in bridge.resolution';
comment on column bridge.computed_resolution.times_reopened is 'As in bridge.resolution';
comment on column bridge.computed_resolution.deleted_at is 'As in bridge.resolution';
comment on column bridge.computed_resolution.flow is 'As in bridge.resolution';
comment on column bridge.computed_resolution.known_since is 'As in bridge.resolution';
comment on column bridge.computed_resolution.complete is 'As in bridge.resolution';

create or replace view bridge.computed_open_problem as
select
    p.source_id,
    p.id,
    p.revision,
    p.status,
    p.priority,
    p.category,
    bridge.plausible(p.created_at, p.observed_at) as created_at,
    bridge.element_names(p.body -> 'affectedService', 'id') as services,
    bridge.element_names(p.body -> 'affectedResource', 'id') as resources,
    bridge.element_names(p.body -> 'affectedLocation', 'name') as places
from bridge.service_problem_with_body as p
where p.deleted_at is null and p.status not in ('resolved', 'closed', 'cancelled', 'rejected');
comment on view bridge.computed_open_problem is 'A row of report.open_problem as it follows from the current row now';
comment on column bridge.computed_open_problem.source_id is 'Source';
comment on column bridge.computed_open_problem.id is 'Problem';
comment on column bridge.computed_open_problem.revision is 'Revision of the current row';
comment on column bridge.computed_open_problem.status is 'As in report.open_problem';
comment on column bridge.computed_open_problem.priority is 'As in report.open_problem';
comment on column bridge.computed_open_problem.category is 'As in report.open_problem';
comment on column bridge.computed_open_problem.created_at is 'As in report.open_problem';
comment on column bridge.computed_open_problem.services is 'As in report.open_problem';
comment on column bridge.computed_open_problem.resources is 'As in report.open_problem';
comment on column bridge.computed_open_problem.places is 'As in report.open_problem';

create or replace view report.resolution as
with problem as (
    select
        s.name as source,
        k.id,
        k.status,
        k.category,
        k.priority,
        k.created_at,
        k.acknowledged_at,
        k.resolved_at,
        k.closed_at,
        k.seconds_held,
        k.held_since,
        k.seconds_pending,
        k.pending_since,
        k.times_reopened,
        k.deleted_at,
        k.known_since,
        k.complete
    from bridge.resolution as k
    inner join bridge.source as s on k.source_id = s.id
    where
        (select bridge.summary_usable())
        and not exists (
            select from bridge.unsummarised() as c
            where c.source_id = k.source_id and c.id = k.id
        )
    union all
    select
        s.name as source,
        n.id,
        n.status,
        n.category,
        n.priority,
        n.created_at,
        n.acknowledged_at,
        n.resolved_at,
        n.closed_at,
        n.seconds_held,
        n.held_since,
        n.seconds_pending,
        n.pending_since,
        n.times_reopened,
        n.deleted_at,
        n.known_since,
        n.complete
    from bridge.unsummarised() as c
    inner join bridge.computed_resolution as n on c.source_id = n.source_id and c.id = n.id
    inner join bridge.source as s on n.source_id = s.id
    where (select bridge.summary_usable())
    union all
    select
        s.name as source,
        n.id,
        n.status,
        n.category,
        n.priority,
        n.created_at,
        n.acknowledged_at,
        n.resolved_at,
        n.closed_at,
        n.seconds_held,
        n.held_since,
        n.seconds_pending,
        n.pending_since,
        n.times_reopened,
        n.deleted_at,
        n.known_since,
        n.complete
    from bridge.computed_resolution as n
    inner join bridge.source as s on n.source_id = s.id
    where not (select bridge.summary_usable())
)

select
    t.source,
    t.id,
    t.status,
    t.category,
    t.priority,
    t.created_at,
    t.acknowledged_at,
    t.resolved_at,
    t.closed_at,
    extract(epoch from t.acknowledged_at - t.created_at)::double precision as seconds_to_acknowledge,
    extract(epoch from t.resolved_at - t.created_at)::double precision as seconds_to_resolve,
    extract(epoch from t.closed_at - t.created_at)::double precision as seconds_to_close,
    case
        when t.complete or t.seconds_held > 0 or t.held_since is not null
            then t.seconds_held + coalesce(extract(epoch from now() - t.held_since)::double precision, 0)
    end as seconds_held,
    case
        when t.complete or t.seconds_pending > 0 or t.pending_since is not null
            then t.seconds_pending + coalesce(extract(epoch from now() - t.pending_since)::double precision, 0)
    end as seconds_pending,
    case when t.complete or t.times_reopened > 0 then t.times_reopened end as times_reopened,
    t.deleted_at,
    t.known_since
from problem as t;
comment on view report.resolution is
'How long it took to take up, resolve and close each service problem; deleted ones too. Times are the source''s'
'. Key: source, id. Joins: report.service_problem on source, id';
comment on column report.resolution.source is 'Name of the source in the bridge''s configuration';
comment on column report.resolution.id is 'Id of the problem at its source';
comment on column report.resolution.status is 'Status now (of a deleted problem: the last one)';
comment on column report.resolution.category is 'Who raised it: serviceProvider.declarer, supplier.originated, system.originated, …';
comment on column report.resolution.priority is '1 (highest) to 10 (lowest)';
comment on column report.resolution.created_at is 'When it was raised; null when the source does not say, and then how long things took is null too';
comment on column report.resolution.acknowledged_at is
'When it was first acknowledged, or entered a status that only follows that; null when it never was (also: rejected or cancelled at once), and when that '
'lies before known_since';
comment on column report.resolution.resolved_at is
'When it was resolved (closed, when no status resolved is known); after a reopening the later time; null while it is not, reopened or cancelled';
comment on column report.resolution.closed_at is 'When it was closed; after a reopening the later time; null while it is not';
comment on column report.resolution.seconds_to_acknowledge is 'From created_at to acknowledged_at';
comment on column report.resolution.seconds_to_resolve is 'From created_at to resolved_at, pauses (held, pending) and reopenings included';
comment on column report.resolution.seconds_to_close is 'From created_at to closed_at';
comment on column report.resolution.seconds_held is
'How long it was held, all times together, up to now when it still is. Where its history is unknown before known_since: at least so long, null when '
'no hold is known';
comment on column report.resolution.seconds_pending is
'How long it was pending, all times together, up to now when it still is. Where its history is unknown before known_since: at least so long, null when '
'no wait is known';
comment on column report.resolution.times_reopened is
'How often it went from resolved or closed back to work (submitted, acknowledged, inProgress, pending, held). Where its history is unknown before '
'known_since: at least so often, null when no reopening is known';
comment on column report.resolution.deleted_at is 'Since when it is gone at the source; null while it exists';
comment on column report.resolution.known_since is
'Since when its statuses are known: created_at when all of them are, else the earliest status that the source dates (what was before the bridge first '
'read the source is unknown); null when no status is known';

create or replace view report.daily_flow as
with happened as (
    select
        f.source_id,
        f.day,
        f.kind,
        f.times
    from bridge.daily_flow as f
    where (select bridge.daily_flow_usable())
    union all
    select
        a.source_id,
        bridge.daily_flow_day(a.code, (select report.time_zone())) as day,
        a.code & 15 as kind,
        a.times
    from (
        select
            r.source_id,
            u.code,
            1 as times
        from bridge.resolution as r
        cross join lateral unnest(r.flow) as u (code)
        where (select bridge.summary_usable()) and not (select bridge.daily_flow_usable())
        union all
        select
            r.source_id,
            u.code,
            -1 as times
        from bridge.unsummarised() as c
        inner join bridge.resolution as r on c.source_id = r.source_id and c.id = r.id
        cross join lateral unnest(r.flow) as u (code)
        where (select bridge.summary_usable())
        union all
        select
            n.source_id,
            u.code,
            1 as times
        from bridge.unsummarised() as c
        inner join bridge.computed_resolution as n on c.source_id = n.source_id and c.id = n.id
        cross join lateral unnest(n.flow) as u (code)
        where (select bridge.summary_usable())
        union all
        select
            n.source_id,
            u.code,
            1 as times
        from bridge.computed_resolution as n
        cross join lateral unnest(n.flow) as u (code)
        where not (select bridge.summary_usable())
    ) as a
),

summed as (
    select
        h.source_id,
        h.day,
        h.kind,
        sum(h.times) as times
    from happened as h
    group by h.source_id, h.day, h.kind
    having sum(h.times) <> 0
),

eventful as (
    select
        s.name as source,
        s.created_at as known_since,
        m.day,
        sum(m.times * k.created)::bigint as created,
        sum(m.times * k.resolved)::bigint as resolved,
        sum(m.times * k.closed)::bigint as closed,
        sum(m.times * k.reopened)::bigint as reopened,
        sum(m.times * k.cancelled)::bigint as cancelled,
        sum(m.times * k.deleted)::bigint as deleted,
        sum(m.times * k.opened)::bigint as opened
    from summed as m
    inner join bridge.daily_flow_kind as k on m.kind = k.kind
    inner join bridge.source as s on m.source_id = s.id
    group by s.name, s.created_at, m.day
),

carried as (
    select
        f.*,
        sum(f.opened) over history as open,
        coalesce(lead(f.day) over history, greatest(f.day, (now() at time zone (select report.time_zone()))::date) + 1) as next_day
    from eventful as f
    window history as (partition by f.source order by f.day)
)

select
    c.source,
    c.day + g.later as day,
    case g.later when 0 then c.created else 0 end as created,
    case g.later when 0 then c.resolved else 0 end as resolved,
    case g.later when 0 then c.closed else 0 end as closed,
    case g.later when 0 then c.reopened else 0 end as reopened,
    case g.later when 0 then c.cancelled else 0 end as cancelled,
    case g.later when 0 then c.deleted else 0 end as deleted,
    c.open::bigint as open,
    c.known_since
from carried as c
cross join lateral generate_series(0, c.next_day - c.day - 1) as g (later);
comment on view report.daily_flow is
'How many problems came, went and were open, per source and day, from the first day to today; days on which nothing happened too. '
'Of the days before known_since only what problems say of themselves is known: a problem counts as open from its creation to its first known end'
'. Key: source, day';
comment on column report.daily_flow.source is 'Name of the source in the bridge''s configuration';
comment on column report.daily_flow.day is 'The day, in the time zone of report.time_zone(), by the source''s clock';
comment on column report.daily_flow.created is
'Problems raised; where the source does not say when, the day on which something was first known of them';
comment on column report.daily_flow.resolved is 'Times a problem was resolved (or closed, when no status resolved is known)';
comment on column report.daily_flow.closed is 'Times a problem was closed; most were resolved on an earlier day and counted there as well';
comment on column report.daily_flow.reopened is 'Times a problem went from resolved or closed back to work';
comment on column report.daily_flow.cancelled is 'Times a problem was cancelled or rejected';
comment on column report.daily_flow.deleted is 'Problems that went from the source while they were open';
comment on column report.daily_flow.open is
'Problems open at the end of the day: raised, and not resolved, closed, cancelled, rejected or deleted; an unknown status changes nothing';
comment on column report.daily_flow.known_since is 'When the bridge first read the source';

create or replace view report.open_problem as
with problem as (
    select
        k.source_id,
        k.id,
        k.status,
        k.priority,
        k.category,
        k.created_at,
        k.services,
        k.resources,
        k.places
    from bridge.resolution as k
    where
        (select bridge.summary_usable())
        and k.deleted_at is null and k.status not in ('resolved', 'closed', 'cancelled', 'rejected')
        and k.names_revision = k.revision
        and not exists (
            select from bridge.unsummarised() as c
            where c.source_id = k.source_id and c.id = k.id
        )
    union all
    select
        n.source_id,
        n.id,
        n.status,
        n.priority,
        n.category,
        n.created_at,
        n.services,
        n.resources,
        n.places
    from bridge.resolution as k
    inner join bridge.computed_open_problem as n on k.source_id = n.source_id and k.id = n.id
    where
        (select bridge.summary_usable())
        and k.deleted_at is null and k.status not in ('resolved', 'closed', 'cancelled', 'rejected')
        and k.names_revision is distinct from k.revision
        and not exists (
            select from bridge.unsummarised() as c
            where c.source_id = k.source_id and c.id = k.id
        )
    union all
    select
        n.source_id,
        n.id,
        n.status,
        n.priority,
        n.category,
        n.created_at,
        n.services,
        n.resources,
        n.places
    from bridge.unsummarised() as c
    inner join bridge.computed_open_problem as n on c.source_id = n.source_id and c.id = n.id
    where (select bridge.summary_usable())
    union all
    select
        n.source_id,
        n.id,
        n.status,
        n.priority,
        n.category,
        n.created_at,
        n.services,
        n.resources,
        n.places
    from bridge.computed_open_problem as n
    where not (select bridge.summary_usable())
)

select
    s.name as source,
    t.id,
    t.status,
    t.priority,
    t.category,
    t.created_at,
    t.services,
    t.resources,
    t.places
from problem as t
inner join bridge.source as s on t.source_id = s.id;
comment on view report.open_problem is
'The open service problems, and what each affects, in a narrow row that is quick to count; report.service_problem has all that is known of each'
'. Key: source, id. Joins: report.service_problem on source, id';
comment on column report.open_problem.source is 'Name of the source in the bridge''s configuration';
comment on column report.open_problem.id is 'Id of the problem at its source';
comment on column report.open_problem.status is 'submitted, acknowledged, inProgress, pending, held or unknown';
comment on column report.open_problem.priority is '1 (highest) to 10 (lowest)';
comment on column report.open_problem.category is 'Who raised it: serviceProvider.declarer, supplier.originated, system.originated, …';
comment on column report.open_problem.created_at is 'When it was raised; null when the source does not say, or says what cannot be';
comment on column report.open_problem.services is 'Affected services, each once: by name, or else by id';
comment on column report.open_problem.resources is 'Affected resources, each once: by name, or else by id';
comment on column report.open_problem.places is 'Affected locations, each once: by name, or else by id';
