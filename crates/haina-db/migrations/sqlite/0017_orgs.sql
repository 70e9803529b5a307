-- Organizations: who is invited.

-- An invitation is of somebody who has an account, or of whoever holds its link. The link is kept as its hash. `outcome`
-- is accepted, declined or revoked; none while it is open, which it is until it ends.
create table org_invite (
    id integer not null primary key autoincrement,
    hash blob not null unique,
    org_id integer not null references namespace (id) on delete cascade,
    user_id integer references namespace (id) on delete cascade,
    email text,
    role text not null,
    created_by integer references namespace (id) on delete set null,
    created_at integer not null,
    expires_at integer not null,
    outcome text check (outcome in ('accepted', 'declined', 'revoked')),
    decided_at integer,
    decided_by integer references namespace (id) on delete set null
) strict;
create index org_invite_by_org on org_invite (org_id, id);
create index org_invite_by_user on org_invite (user_id);
create index org_invite_by_creator on org_invite (created_by);
create index org_invite_by_decider on org_invite (decided_by);
