-- What people like, whom they follow, and what they collect.

-- A like that was taken back stays, so that taking it back and giving it again does not make it new: `first_at` counts
-- for trends, `created_at` is when it was last given.
create table repo_like (
    repo_id integer not null references repo (id) on delete cascade,
    user_id integer not null references namespace (id) on delete cascade,
    first_at integer not null,
    created_at integer not null,
    withdrawn_at integer,
    primary key (repo_id, user_id)
) strict, without rowid;
create index repo_like_by_repo on repo_like (repo_id, created_at, user_id) where withdrawn_at is null;
create index repo_like_by_user on repo_like (user_id, created_at, repo_id);
create index repo_like_by_first on repo_like (first_at, repo_id);

create table follow (
    follower_id integer not null references namespace (id) on delete cascade,
    followed_id integer not null references namespace (id) on delete cascade,
    created_at integer not null,
    primary key (follower_id, followed_id)
) strict, without rowid;
create index follow_by_follower on follow (follower_id, created_at, followed_id);
create index follow_by_followed on follow (followed_id, created_at, follower_id);

-- Counts of a user or an organization, kept in the transaction of what they count.
create table social_count (
    ns_id integer not null primary key references namespace (id) on delete cascade,
    followers integer not null,
    following integer not null,
    likes integer not null,
    upvotes integer not null
) strict;

create table collection (
    id integer not null primary key autoincrement,
    public_id text not null unique,
    ns_id integer not null references namespace (id) on delete cascade,
    title text not null,
    description text,
    private integer not null,
    theme text not null,
    position integer not null,
    upvotes integer not null,
    created_by integer references namespace (id) on delete set null,
    created_at integer not null,
    updated_at integer not null,
    unique (ns_id, title)
) strict;
create index collection_by_owner on collection (ns_id, position, id);
create index collection_by_updated on collection (updated_at, id);
create index collection_by_upvotes on collection (upvotes, id);
create index collection_created_by on collection (created_by);

-- `item` names what is collected: `repo:ID`, `collection:ID` or `paper:ID`. What is deleted leaves its collections.
create table collection_item (
    id integer not null primary key autoincrement,
    public_id text not null unique,
    collection_id integer not null references collection (id) on delete cascade,
    item text not null,
    repo_id integer references repo (id) on delete cascade,
    target_id integer references collection (id) on delete cascade,
    position integer not null,
    note text,
    note_html text,
    added_by integer references namespace (id) on delete set null,
    created_at integer not null,
    unique (collection_id, item)
) strict;
create index collection_item_order on collection_item (collection_id, position, id);
create index collection_item_of on collection_item (item, collection_id);
create index collection_item_repo on collection_item (repo_id);
create index collection_item_target on collection_item (target_id);
create index collection_item_added_by on collection_item (added_by);

create table collection_upvote (
    collection_id integer not null references collection (id) on delete cascade,
    user_id integer not null references namespace (id) on delete cascade,
    created_at integer not null,
    primary key (collection_id, user_id)
) strict, without rowid;
create index collection_upvote_by_user on collection_upvote (user_id, created_at);
