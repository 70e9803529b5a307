-- Packs that were made ahead for clones. No foreign key: the object must be deleted before its row, also when the
-- repository is gone.

create table git_pack (
    id integer not null primary key autoincrement,
    repo_id integer not null,
    -- what the pack answers, as one of a few usual requests; a new one takes the place of the old one
    class text not null,
    -- a hash of the request that it answers to the byte
    key blob not null,
    -- 1 if it has all that its tips reach, so that new commits can be sent after it
    whole integer not null,
    -- ids of commits end to end, and of other objects that were asked for or that follow
    tips blob not null,
    others blob not null,
    -- the pack of so many bytes, then its index
    object text not null,
    pack_bytes integer not null,
    bytes integer not null,
    objects integer not null,
    deltas integer not null,
    -- a checksum of each block of the object
    checksums blob not null,
    made_at integer not null,
    used_at integer not null,
    -- since when it is not sent any more; the object is deleted when those to whom it was being sent must have it
    gone_at integer
) strict;
create unique index git_pack_key on git_pack (repo_id, key) where gone_at is null;
create unique index git_pack_object on git_pack (object);
create index git_pack_gone on git_pack (gone_at) where gone_at is not null;
create index git_pack_used on git_pack (used_at, id) where gone_at is null;
