-- Large content. A xorb, a file and a chunk are names of bytes and never change; where the bytes are
-- (xorb_object) may. Hashes are 32 raw bytes; times are milliseconds since 1970.

create table xorb (
  hash blob primary key,
  chunks integer not null,
  raw_bytes integer not null,
  -- 0 live, 1 condemned by the garbage collector (an upload or a reference makes it live again)
  state integer not null default 0,
  uploaded_at integer not null,
  -- never condemned before this: clients were told of it and may refer to it until then
  keep_until integer not null default 0,
  condemned_at integer
) without rowid;

-- The chunk table: hash, end of frame and end of raw bytes per chunk, as the store encodes it.
create table xorb_chunks (
  hash blob primary key references xorb (hash) on delete cascade,
  bytes blob not null
);

-- The bytes of a xorb: layout 0 is the frames as the client sent them.
create table xorb_object (
  hash blob not null references xorb (hash) on delete cascade,
  layout integer not null,
  key text not null unique,
  generation integer not null,
  bytes integer not null,
  -- checksums per block of the object
  checksums blob not null,
  created_at integer not null,
  primary key (hash, layout)
);

-- Who may refer to a xorb: a namespace's id, or 0 for everyone (public content).
create table xorb_domain (
  hash blob not null references xorb (hash) on delete cascade,
  domain integer not null,
  primary key (hash, domain)
) without rowid;

create table file (
  hash blob primary key,
  bytes integer not null,
  -- null until the server has streamed the bytes itself
  sha256 blob,
  terms blob not null,
  created_at integer not null
);

create table file_xorb (
  file_hash blob not null references file (hash) on delete cascade,
  xorb_hash blob not null references xorb (hash),
  primary key (file_hash, xorb_hash)
) without rowid;
create index file_xorb_by_xorb on file_xorb (xorb_hash);

-- Which repository may read a file. An upload alone lends it for a while; a commit keeps it.
create table repo_file (
  repo_id integer not null,
  file_hash blob not null references file (hash),
  -- 0 upload, 1 commit
  via integer not null,
  expires_at integer,
  primary key (repo_id, file_hash)
) without rowid;
create index repo_file_by_file on repo_file (file_hash);
create index repo_file_by_expiry on repo_file (expires_at) where expires_at is not null;

-- What a repository's uploaders said a file's SHA-256 is.
create table repo_sha (
  repo_id integer not null,
  sha256 blob not null,
  file_hash blob not null references file (hash),
  -- 0 claimed, 1 verified, 2 refuted
  state integer not null,
  created_at integer not null,
  primary key (repo_id, sha256)
) without rowid;
create index repo_sha_by_file on repo_sha (file_hash);

-- Eligible chunks only: the first of a file, or one in 1024.
create table dedup (
  domain integer not null,
  chunk_hash blob not null,
  xorb_hash blob not null references xorb (hash) on delete cascade,
  position integer not null,
  primary key (domain, chunk_hash)
) without rowid;
create index dedup_by_xorb on dedup (xorb_hash);

-- Every accepted shard, as received, is kept as an object, so that the tables above can be made again.
create table recipe (
  key text primary key,
  repo_id integer not null,
  domain integer not null,
  bytes integer not null,
  created_at integer not null
);
