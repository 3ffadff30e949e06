-- What the console searches: words and references of each problem, kept by the leader some time after a change (bridge.maintenance.search_upkeep). A
-- search reads here what has not changed since and looks at the rest itself, so it is never stale.

create function bridge.search_text(id text, body jsonb) returns text
language sql immutable parallel safe
begin atomic
    select regexp_replace(
        lower(
            concat_ws(
                ' ',
                id,
                left(body ->> 'name', 4000),
                left(body ->> 'description', 4000),
                left(body ->> 'reason', 4000),
                left(body ->> 'externalIdentifier', 4000)
            )
        ),
        '[[:cntrl:]]',
        ' ',
        'g'
    );
end;
comment on function bridge.search_text(text, jsonb) is
'What words are looked for in, in lower case: id, name, description, reason and external ids, of each the first 4,000 characters';

create function bridge.search_words(content text) returns text[]
language sql immutable parallel safe
begin atomic
    -- the text has no control character: chr(1) stands where a word can begin inside what has no space
    select coalesce(array_agg(distinct left(w.word, 40) collate "C"), '{}')
    from (
        select array_to_string(c.parts[p.place:p.place + 40], '') as word
        from (
            select string_to_array(t.chunk, chr(1)) as parts
            from unnest(
                string_to_array(
                    regexp_replace(
                        regexp_replace(content, '[[:alpha:]]+|[[:digit:]]+', chr(1) || '\&', 'g'),
                        chr(1) || '0+(?=[1-9])',
                        '\&' || chr(1),
                        'g'
                    ),
                    ' '
                )
            ) as t (chunk)
        ) as c
        cross join lateral generate_series(1, cardinality(c.parts)) as p (place)
    ) as w
    where w.word <> '';
end;
comment on function bridge.search_words(text) is
'What stands in a text from each place on where a word can begin, up to the next space and 40 characters: after a space, where letters or digits '
'begin, and after leading zeros';

create function bridge.search_references(body jsonb) returns text[]
language sql immutable parallel safe
begin atomic
    select coalesce(array_agg(distinct r.word collate "C"), '{}')
    from (
        select 'service ' || n.name as word
        from (select body as whole) as b
        cross join lateral bridge.list_element(b.whole -> 'affectedService', 'id') as e
        cross join lateral (values (e.item ->> 'id'), (e.item ->> 'name')) as n (name)
        where length(n.name) <= 200
        union all
        select 'party ' || n.name as word
        from (select body as whole) as b
        cross join lateral bridge.list_element(b.whole -> 'relatedParty', 'name') as e
        cross join lateral (
            values (e.item ->> 'partyId'), (e.item ->> 'id'), (e.item ->> 'partyName'), (e.item ->> 'name')
        ) as n (name)
        where length(n.name) <= 200
        union all
        select 'place ' || n.name as word
        from (select body as whole) as b
        cross join lateral bridge.list_element(b.whole -> 'affectedLocation', 'name') as e
        cross join lateral (values (e.item ->> 'id'), (e.item ->> 'name')) as n (name)
        where length(n.name) <= 200
    ) as r;
end;
comment on function bridge.search_references(jsonb) is
'Ids and names of affected services, related parties and affected locations, each after what it is; those above 200 characters cannot be asked for';

create function bridge.search_finds(id text, body jsonb, words text[]) returns boolean
language sql immutable parallel safe
begin atomic
    -- most texts do not have the words at all, which is cheap to see
    select case
        when exists (
            select from unnest(words) as q (word)
            where strpos(bridge.search_text(id, body), left(lower(q.word), 40)) = 0
        ) then false
        else not exists (
            select from unnest(words) as q (word)
            where not exists (
                select from unnest(bridge.search_words(bridge.search_text(id, body))) as t (word)
                where starts_with(t.word, left(lower(q.word), 40))
            )
        )
    end;
end;
comment on function bridge.search_finds(text, jsonb, text[]) is 'Does a word of this problem begin with each of these?';

create function bridge.search_query(words text[], refs text[]) returns tsquery
language sql immutable parallel safe
begin atomic
    select string_agg(q.term, ' & ')::tsquery
    from (
        select '''' || replace(replace(left(lower(u.word), 40), '\', '\\'), '''', '''''') || ''':*' as term
        from unnest(words) as u (word)
        union all
        select '''' || replace(replace(u.word, '\', '\\'), '''', '''''') || '''' as term
        from unnest(refs) as u (word)
    ) as q;
end;
comment on function bridge.search_query(text[], text[]) is
'The same question for bridge.problem_search.words: a word begins with each of the first, and each of the second is a reference';

create table bridge.problem_search (
    source_id smallint not null,
    complete boolean not null,
    digest bigint not null,
    id text not null,
    words tsvector not null,
    primary key (source_id, id)
);
comment on table bridge.problem_search is 'Words and references of problems, as of bridge.search_state';
comment on column bridge.problem_search.source_id is 'Source';
comment on column bridge.problem_search.complete is 'All of them are here; false: they are too many, and the problem itself is looked at';
comment on column bridge.problem_search.digest is 'Hash of what they were made of; the same: nothing to write';
comment on column bridge.problem_search.id is 'Problem';
comment on column bridge.problem_search.words is 'bridge.search_words and bridge.search_references of it; only a reference has a space';
create index problem_search_words_idx on bridge.problem_search using gin (words) with (gin_pending_list_limit = 1024);
create index problem_search_incomplete_idx on bridge.problem_search (source_id, id) where not complete;

create table bridge.search_state (
    singleton boolean primary key default true constraint search_state_singleton_check check (singleton),
    kept text not null default 'off' constraint search_state_kept_check check (kept in ('off', 'open', 'all')),
    complete boolean not null default false,
    committed xid8 not null default '0',
    change_id bigint not null default 0,
    scanned_source_id smallint not null default 0,
    scanned_id text not null default '',
    scanned_problems bigint not null default 0,
    scanned_at timestamptz
);
comment on table bridge.search_state is 'How far bridge.problem_search has come; one row';
comment on column bridge.search_state.singleton is 'There is one row';
comment on column bridge.search_state.kept is 'Which problems have a row: all, open ones, or none (off); as the leader last took it from console.search';
comment on column bridge.search_state.complete is
'Every problem that is to have a row was looked at; false: a scan goes on, and searches read the problems one by one';
comment on column bridge.search_state.committed is 'Changes up to here (bridge.change.committed) …';
comment on column bridge.search_state.change_id is '… and here (bridge.change.id) are in bridge.problem_search';
comment on column bridge.search_state.scanned_source_id is 'How far the scan of all problems has come: source …';
comment on column bridge.search_state.scanned_id is '… and problem';
comment on column bridge.search_state.scanned_problems is 'How many problems the scan has looked at';
comment on column bridge.search_state.scanned_at is 'When the last complete scan ended; null while one runs, and where none ever ran';
insert into bridge.search_state default values;

create function bridge.search_covers() returns text
language sql stable parallel safe security definer
begin atomic
    select
        case
            when not s.complete or s.committed > pg_snapshot_xmax(pg_current_snapshot()) then 'off'
            -- the oldest change is pruned first: one that is missing may be one that was not followed
            when coalesce(
                (
                    select c.id <> 1 and (s.committed, s.change_id) < (c.committed, c.id)
                    from bridge.change as c
                    order by c.committed, c.id
                    limit 1
                ), false
            ) then 'off'
            else s.kept
        end
    from bridge.search_state as s;
end;
comment on function bridge.search_covers() is
'Which problems bridge.problem_search can be asked about together with bridge.unsearched: all, open, or none (off)';

create function bridge.unsearched(most integer) returns table (source_id smallint, id text)
language sql stable parallel safe security definer rows 100
begin atomic
    select distinct
        t.source_id,
        t.id
    from (
        select
            c.source_id,
            u.id
        from bridge.search_state as s
        inner join bridge.change as c on (c.committed, c.id) > (s.committed, s.change_id)
        cross join lateral unnest(c.problem_ids) as u (id)
        limit most
    ) as t;
end;
comment on function bridge.unsearched(integer) is
'Problems that changed after their words were computed, of the first so many mentions; null: all';

create function bridge.search_lag(most integer) returns bigint
language sql stable parallel safe security definer
begin atomic
    select count(*)
    from (
        select u.id
        from bridge.search_state as s
        inner join bridge.change as c on (c.committed, c.id) > (s.committed, s.change_id)
        cross join lateral unnest(c.problem_ids) as u (id)
        limit most
    ) as t;
end;
comment on function bridge.search_lag(integer) is 'How many mentions of problems in changes wait for their words, counted up to so many';

-- Sums of deleted problems, and lists of a few of them, as service_problem_facet_idx gives those of others; see there why a query has to say that
-- no status is empty. The migration holds the lock of the table while this is made: about half a second for a million problems.
-- squawk-ignore require-concurrent-index-creation
create index service_problem_deleted_facet_idx on bridge.service_problem (source_id, status, priority, category)
where deleted_at is not null and status <> '';

-- Without the body of bridge.console_problem, so that the indexes alone answer.
create view bridge.console_facet as
select
    p.source_id,
    p.status,
    p.priority,
    p.category,
    p.deleted_at
from bridge.service_problem as p;
comment on view bridge.console_facet is 'What the console sums problems by';
comment on column bridge.console_facet.source_id is 'As in bridge.service_problem';
comment on column bridge.console_facet.status is 'As in bridge.service_problem';
comment on column bridge.console_facet.priority is 'As in bridge.service_problem';
comment on column bridge.console_facet.category is 'As in bridge.service_problem';
comment on column bridge.console_facet.deleted_at is 'As in bridge.service_problem';

create function bridge.grant_search_to_front() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from pg_roles where rolname = 'bridge_front') then
        return;
    end if;
    grant select on bridge.problem_search, bridge.search_state, bridge.console_facet to bridge_front;
end
$$;
comment on function bridge.grant_search_to_front() is 'Grant role bridge_front what searches need, where the role exists; repeated by `migrate`';
revoke execute on function bridge.grant_search_to_front() from public;
select bridge.grant_search_to_front();
