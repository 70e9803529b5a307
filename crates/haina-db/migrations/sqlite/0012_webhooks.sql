-- Webhooks: who wants to be told of what, how far the ledger was read for them, and what was sent.

-- `watched` is the list as it was given. `after_event` is the ledger's last event when the webhook was made: it is told
-- of later ones only. `disabled_reason` is `owner` or `failing`.
create table webhook (
    id integer not null primary key autoincrement,
    public_id text not null unique,
    user_id integer not null references namespace (id) on delete cascade,
    url text not null,
    secret text,
    watched text not null,
    domains text not null,
    after_event integer not null,
    disabled_at integer,
    disabled_reason text,
    failing_since integer,
    failures integer not null,
    created_at integer not null,
    updated_at integer not null
) strict;
create index webhook_of_user on webhook (user_id, id);

-- `target` is a type and a folded name: `user:alice`, `model:alice/bert`. They need not exist.
create table webhook_watch (
    webhook_id integer not null references webhook (id) on delete cascade,
    target text not null,
    primary key (webhook_id, target)
) strict, without rowid;
create index webhook_watch_target on webhook_watch (target, webhook_id);

-- How far a reader of the ledger has come.
create table outbox (
    name text not null primary key,
    event_id integer not null
) strict, without rowid;
insert into outbox (name, event_id) select 'webhooks', coalesce(max(id), 0) from event;

-- `state` goes from queued to delivered, failed (given up) or dropped (not sent). Whoever sends it moves `run_at` ahead
-- by a lease; `attempts` counts such claims and tells one holder from the next.
create table webhook_delivery (
    id integer not null primary key autoincrement,
    public_id text not null unique,
    webhook_id integer not null references webhook (id) on delete cascade,
    event_id integer not null,
    replay_of integer,
    scope text not null,
    action text not null,
    subject text not null,
    repo_id integer,
    payload text not null,
    state text not null,
    attempts integer not null,
    run_at integer not null,
    sent_at integer,
    status integer,
    duration_ms integer,
    answer text,
    error text,
    created_at integer not null,
    finished_at integer
) strict;
create unique index webhook_delivery_once on webhook_delivery (webhook_id, event_id) where replay_of is null;
create index webhook_delivery_log on webhook_delivery (webhook_id, id);
create index webhook_delivery_due on webhook_delivery (run_at, id) where state = 'queued';
create index webhook_delivery_waiting on webhook_delivery (webhook_id, run_at) where state = 'queued';
create index webhook_delivery_finished on webhook_delivery (finished_at) where finished_at is not null;
