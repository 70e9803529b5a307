-- Discussions and pull requests: one count of numbers for both in each repository, from 1.

create table discussion (
    id integer not null primary key autoincrement,
    repo_id integer not null references repo (id) on delete cascade,
    number integer not null,
    title text not null,
    author_id integer references namespace (id) on delete set null,
    -- draft, open, closed or merged
    status text not null,
    -- of a pull request: the branch that it is for, and the commit that took it in
    base text,
    merge_commit blob,
    created_at integer not null,
    updated_at integer not null,
    -- how much there is, kept so that limits cost no count
    comments integer not null,
    events integer not null,
    bytes integer not null,
    unique (repo_id, number)
) strict;
create index discussion_by_author on discussion (author_id);

-- What happened in one. Comment: `text` is the Markdown as it is now. Status: the new one. Title: `text` is the new one,
-- `other` the old one. Commit: `text` is the subject, `other` the id.
create table discussion_event (
    id integer not null primary key autoincrement,
    discussion_id integer not null references discussion (id) on delete cascade,
    kind text not null,
    author_id integer references namespace (id) on delete set null,
    created_at integer not null,
    text text not null,
    other text,
    edited_at integer,
    edited_by integer references namespace (id) on delete set null,
    hidden_at integer,
    hidden_by integer references namespace (id) on delete set null
) strict;
create index discussion_event_order on discussion_event (discussion_id, id);
create index discussion_event_author on discussion_event (author_id);
create index discussion_event_editor on discussion_event (edited_by);
create index discussion_event_hider on discussion_event (hidden_by);

-- What a comment said before it was edited.
create table discussion_edit (
    event_id integer not null references discussion_event (id) on delete cascade,
    version integer not null,
    text text not null,
    author_id integer references namespace (id) on delete set null,
    at integer not null,
    primary key (event_id, version)
) strict, without rowid;
create index discussion_edit_author on discussion_edit (author_id);

-- Pictures, sounds and films that comments show. `name` is also what lets one see it.
create table attachment (
    name text not null primary key,
    user_id integer references namespace (id) on delete set null,
    media_type text not null,
    bytes integer not null,
    object text not null unique,
    created_at integer not null
) strict, without rowid;
create index attachment_by_user on attachment (user_id, created_at);
