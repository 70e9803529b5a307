-- Large content. A xorb, a file and a chunk are names of bytes and never change; where the bytes lie
-- (xorb_object) may. Hashes are 32 raw bytes; times are milliseconds since 1970.

create table xorb (
    hash blob not null primary key,
    chunks integer not null,
    raw_bytes integer not null,
    -- 0 live, 1 condemned by the garbage collector; an upload or a reference makes it live again
    state integer not null,
    uploaded_at integer not null,
    -- not condemned before this: clients were told of it and may refer to it until then
    keep_until integer not null,
    condemned_at integer
) strict, without rowid;

-- The chunk table, as the store encodes it: hash, end of frame and end of raw bytes of each chunk.
create table xorb_chunks (
    hash blob not null primary key references xorb (hash) on delete cascade,
    bytes blob not null
) strict;

-- The bytes of a xorb. Layout 0 is the frames as they were uploaded; its object's key is made of hash and generation.
create table xorb_object (
    hash blob not null references xorb (hash) on delete cascade,
    layout integer not null,
    generation integer not null,
    bytes integer not null,
    -- a checksum of each block of the object
    checksums blob not null,
    created_at integer not null,
    primary key (hash, layout)
) strict;

-- The namespaces whose repositories may refer to a xorb.
create table xorb_domain (
    hash blob not null references xorb (hash) on delete cascade,
    domain integer not null,
    primary key (hash, domain)
) strict, without rowid;

-- The chunks of a xorb that files of public repositories use: everyone may refer to these.
create table xorb_public (
    hash blob not null references xorb (hash) on delete cascade,
    first_chunk integer not null,
    end_chunk integer not null,
    primary key (hash, first_chunk, end_chunk)
) strict, without rowid;

create table file (
    hash blob not null primary key,
    bytes integer not null,
    -- null until the server itself has streamed the bytes
    sha256 blob,
    -- the recipe, as the store encodes it: runs of chunks of xorbs
    terms blob not null,
    created_at integer not null
) strict;

create table file_xorb (
    file_hash blob not null references file (hash) on delete cascade,
    xorb_hash blob not null references xorb (hash),
    primary key (file_hash, xorb_hash)
) strict, without rowid;
create index file_xorb_by_xorb on file_xorb (xorb_hash);

-- The repositories that may read a file. An upload lends it for a while; a commit keeps it.
create table repo_file (
    repo_id integer not null references repo (id) on delete cascade,
    file_hash blob not null references file (hash),
    -- 0 upload, 1 commit
    via integer not null,
    expires_at integer,
    primary key (repo_id, file_hash)
) strict, without rowid;
create index repo_file_by_file on repo_file (file_hash);
create index repo_file_by_expiry on repo_file (expires_at) where expires_at is not null;

-- What uploaders to a repository said that the SHA-256 of a file is.
create table repo_sha (
    repo_id integer not null references repo (id) on delete cascade,
    sha256 blob not null,
    file_hash blob not null references file (hash),
    -- 0 claimed, 1 verified, 2 refuted
    state integer not null,
    created_at integer not null,
    primary key (repo_id, sha256)
) strict, without rowid;
create index repo_sha_by_file on repo_sha (file_hash);

-- Where an eligible chunk is (the first of a file, or one in 1024), by namespace, or 0 for everyone.
create table dedup (
    domain integer not null,
    chunk_hash blob not null,
    xorb_hash blob not null references xorb (hash) on delete cascade,
    position integer not null,
    primary key (domain, chunk_hash)
) strict, without rowid;
create index dedup_by_xorb on dedup (xorb_hash);

-- Every accepted shard is kept as an object, as it was received, so that the tables above can be made again.
create table recipe (
    key text not null primary key,
    repo_id integer not null,
    domain integer not null,
    bytes integer not null,
    created_at integer not null
) strict, without rowid;
