-- Organizations: who is invited, resource groups, service accounts.

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

-- Resource groups: what members may do with a repository that is in one follows from their role in the group alone.
create table resource_group (
    id integer not null primary key autoincrement,
    public_id text not null unique,
    org_id integer not null references namespace (id) on delete cascade,
    name text not null,
    fold text not null,
    description text not null,
    created_at integer not null,
    unique (org_id, fold)
) strict;

create table resource_group_member (
    group_id integer not null references resource_group (id) on delete cascade,
    user_id integer not null references namespace (id) on delete cascade,
    role text not null,
    created_at integer not null,
    primary key (group_id, user_id)
) strict, without rowid;
create index resource_group_member_user on resource_group_member (user_id);

-- A group with repositories is not deleted: what is in it would be open to all members.
alter table repo add column group_id integer references resource_group (id);
create index repo_by_group on repo (group_id);

-- An account of an organization's own, for machines: without a password, with tokens that its administrators make.
alter table account add column org_id integer references namespace (id) on delete cascade;
create index account_by_org on account (org_id);
