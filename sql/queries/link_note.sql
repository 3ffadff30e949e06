-- name: of_links
select n.link_id, n.side, n.note, n.code, n.copy_of, n.state, n.author, n.text_hash, n.noted_at, n.copied_at
from bridge.link_note as n
where n.link_id = any($1::bigint[])
order by n.link_id, n.noted_at nulls last, n.side, n.note;

-- name: add
-- Notes that were read. One that is known stays what it is; of another text only the hash is taken.
insert into bridge.link_note as k (link_id, side, note, code, copy_of, state, author, text_hash, noted_at)
select
    n.link_id,
    n.side,
    n.note,
    n.code,
    n.copy_of,
    n.state,
    n.author,
    n.text_hash,
    n.noted_at
from unnest(
    $1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::timestamptz[]
) as n (link_id, side, note, code, copy_of, state, author, text_hash, noted_at)
order by n.link_id, n.side, n.note
on conflict (link_id, side, note) do update set text_hash = excluded.text_hash
where k.text_hash is distinct from excluded.text_hash
returning k.link_id;

-- name: confirm
-- The copies of originals, by their codes, stand on the other side.
update bridge.link_note as n set copied_at = $3
from unnest($1::bigint[], $2::text[]) as c (link_id, code)
where n.link_id = c.link_id and n.code = c.code and n.state = 'origin' and n.copied_at is null;
