-- The web console: its people, their sessions and what they did, the narrow view its list reads with the indexes for it, and the role of
-- the process that serves it. bridge_front reads schema report and what is granted below, and no secret of a source.

create table bridge.console_user (
    name text primary key constraint console_user_name_check check (name <> '' and length(name) <= 100),
    password_hash text not null,
    role text not null constraint console_user_role_check check (role in ('viewer', 'operator', 'admin')),
    created_at timestamptz not null default now(),
    password_set_at timestamptz not null default now()
);
comment on table bridge.console_user is 'People who log in to the console with a password; made by `tmf656-bridge user`';
comment on column bridge.console_user.name is 'Name to log in with';
comment on column bridge.console_user.password_hash is 'Argon2id hash of the password';
comment on column bridge.console_user.role is 'viewer: reads; operator: also has things done; admin: also changes settings and people';
comment on column bridge.console_user.created_at is 'When the user was added';
comment on column bridge.console_user.password_set_at is 'When the password was last set';

create table bridge.console_session (
    token_hash bytea primary key,
    user_name text not null,
    role text not null constraint console_session_role_check check (role in ('viewer', 'operator', 'admin')),
    login text not null constraint console_session_login_check check (login in ('token', 'password', 'proxy', 'oidc')),
    address text not null,
    made_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    ends_at timestamptz not null
);
comment on table bridge.console_session is 'Who is logged in to the console; a row goes when its session ends';
comment on column bridge.console_session.token_hash is 'SHA-256 of the token in the cookie';
comment on column bridge.console_session.user_name is 'Who';
comment on column bridge.console_session.role is 'Role at the login; a change of role ends the session';
comment on column bridge.console_session.login is 'Way of login';
comment on column bridge.console_session.address is 'Address the login came from';
comment on column bridge.console_session.made_at is 'When it began';
comment on column bridge.console_session.seen_at is 'When it was last used, to the minute';
comment on column bridge.console_session.ends_at is 'When it ends at the latest, used or not';
create index console_session_user_name_idx on bridge.console_session (user_name);

create table bridge.audit (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    actor text not null,
    role text,
    address text not null,
    action text not null,
    object text not null default '',
    before jsonb,
    after jsonb,
    outcome text not null constraint audit_outcome_check check (outcome in ('done', 'refused', 'failed')),
    reason text not null default ''
);
comment on table bridge.audit is 'What people did with the bridge and what they were refused; rows are only added, and kept 400 days';
comment on column bridge.audit.id is 'Key';
comment on column bridge.audit.at is 'When';
comment on column bridge.audit.actor is 'Who: user of the console, or of the machine for commands; as given where a login was refused';
comment on column bridge.audit.role is 'Role at that time; null when not logged in';
comment on column bridge.audit.address is 'Address it came from; cli for commands';
comment on column bridge.audit.action is 'What: login, logout, user.add, …';
comment on column bridge.audit.object is 'On what: a user, source/problem, a key of the configuration';
comment on column bridge.audit.before is 'What it was; never a secret';
comment on column bridge.audit.after is 'What it became; never a secret';
comment on column bridge.audit.outcome is 'done; refused: not allowed; failed: tried, without effect';
comment on column bridge.audit.reason is 'Why it was refused or failed, or the reason given for it';
create index audit_at_idx on bridge.audit (at);

create view bridge.console_problem as
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
    p.first_seen_at,
    p.deleted_at,
    p.via,
    p.deleted_at is null and p.status not in ('resolved', 'closed', 'cancelled', 'rejected') as open
from bridge.service_problem as p;
comment on view bridge.console_problem is 'A service problem as the list of the console filters and sorts it, without its body';
comment on column bridge.console_problem.source_id is 'As in bridge.service_problem';
comment on column bridge.console_problem.id is 'As in bridge.service_problem';
comment on column bridge.console_problem.revision is 'As in bridge.service_problem';
comment on column bridge.console_problem.status is 'As in bridge.service_problem';
comment on column bridge.console_problem.status_raw is 'As in bridge.service_problem';
comment on column bridge.console_problem.category is 'As in bridge.service_problem';
comment on column bridge.console_problem.priority is 'As in bridge.service_problem';
comment on column bridge.console_problem.affected_services is 'As in bridge.service_problem';
comment on column bridge.console_problem.created_at is 'As in bridge.service_problem';
comment on column bridge.console_problem.updated_at is 'As in bridge.service_problem';
comment on column bridge.console_problem.status_changed_at is 'As in bridge.service_problem';
comment on column bridge.console_problem.resolved_at is 'As in bridge.service_problem';
comment on column bridge.console_problem.first_seen_at is 'As in bridge.service_problem';
comment on column bridge.console_problem.deleted_at is 'As in bridge.service_problem';
comment on column bridge.console_problem.via is 'As in bridge.service_problem';
comment on column bridge.console_problem.open is 'It exists at the source and is neither resolved, closed, cancelled nor rejected';

-- The migration holds the lock of the table while these are made: about 3 s for a million problems.
-- squawk-ignore require-concurrent-index-creation
create index service_problem_open_urgency_idx on bridge.service_problem (priority, created_at, source_id, id)
where deleted_at is null and status not in ('resolved', 'closed', 'cancelled', 'rejected');
-- squawk-ignore require-concurrent-index-creation
create index service_problem_open_status_changed_at_idx on bridge.service_problem (status_changed_at, source_id, id)
where deleted_at is null and status not in ('resolved', 'closed', 'cancelled', 'rejected');
-- No status is empty. Only a query that says so may use this index: else the planner takes it, before a new table is analysed, for queries that
-- give the source and some ids, which then read all problems of the source.
-- squawk-ignore require-concurrent-index-creation
create index service_problem_facet_idx on bridge.service_problem (source_id, status, priority, category)
where deleted_at is null and status <> '';

do $$
begin
    if not exists (select from pg_roles where rolname = 'bridge_front') then
        create role bridge_front nologin;
    end if;
exception
    when insufficient_privilege then
        raise notice 'role bridge_front could not be created: ask an administrator for "create role bridge_front", then migrate again';
    when duplicate_object or unique_violation then
        null;
end
$$;

create function bridge.grant_to_front() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from pg_roles where rolname = 'bridge_front') then
        return;
    end if;
    grant usage on schema bridge, bridge_migration, report to bridge_front;
    grant select on bridge_migration.applied to bridge_front;
    grant select on all tables in schema report to bridge_front;
    alter default privileges in schema report grant select on tables to bridge_front;
    grant select on bridge.console_problem, bridge.audit to bridge_front;
    grant select (id, name) on bridge.source to bridge_front;
    grant insert on bridge.audit to bridge_front;
    grant select, insert, update, delete on bridge.console_session to bridge_front;
    grant select, update (password_hash) on bridge.console_user to bridge_front;
    begin
        -- the user that runs the bridge may take on this role
        if exists (select from pg_roles where rolname = 'bridge_writer') then
            grant bridge_front to bridge_writer;
        end if;
        execute format('grant bridge_front to %I', current_user);
    exception
        when insufficient_privilege then
            raise notice 'let an administrator "grant bridge_front to" the user of database.dsn, or the console has the rights of that user';
    end;
end
$$;
comment on function bridge.grant_to_front() is 'Grant role bridge_front what the console needs, where the role exists; repeated by `migrate`';
revoke execute on function bridge.grant_to_front() from public;
select bridge.grant_to_front();
