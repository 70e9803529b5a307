-- Large content. A xorb, a file and a chunk are names of bytes and never change; where the bytes are
-- (xorb_object) may. Hashes are 32 raw bytes; times are milliseconds since 1970.

create table xorb (
  hash bytea primary key,
  chunks bigint not null,
  raw_bytes bigint not null,
  -- 0 live, 1 condemned by the garbage collector (an upload or a reference makes it live again)
  state bigint not null default 0,
  uploaded_at bigint not null,
  -- never condemned before this: clients were told of it and may refer to it until then
  keep_until bigint not null default 0,
  condemned_at bigint
);

-- The chunk table: hash, end of frame and end of raw bytes per chunk, as the store encodes it.
create table xorb_chunks (
  hash bytea primary key references xorb (hash) on delete cascade,
  bytes bytea not null
);

-- The bytes of a xorb: layout 0 is the frames as the client sent them.
create table xorb_object (
  hash bytea not null references xorb (hash) on delete cascade,
  layout bigint not null,
  key text not null unique,
  generation bigint not null,
  bytes bigint not null,
  -- checksums per block of the object
  checksums bytea not null,
  created_at bigint not null,
  primary key (hash, layout)
);

-- Who may refer to a xorb: a namespace's id, or 0 for everyone (public content).
create table xorb_domain (
  hash bytea not null references xorb (hash) on delete cascade,
  domain bigint not null,
  primary key (hash, domain)
);

create table file (
  hash bytea primary key,
  bytes bigint not null,
  -- null until the server has streamed the bytes itself
  sha256 bytea,
  terms bytea not null,
  created_at bigint not null
);

create table file_xorb (
  file_hash bytea not null references file (hash) on delete cascade,
  xorb_hash bytea not null references xorb (hash),
  primary key (file_hash, xorb_hash)
);
create index file_xorb_by_xorb on file_xorb (xorb_hash);

-- Which repository may read a file. An upload alone lends it for a while; a commit keeps it.
create table repo_file (
  repo_id bigint not null,
  file_hash bytea not null references file (hash),
  -- 0 upload, 1 commit
  via bigint not null,
  expires_at bigint,
  primary key (repo_id, file_hash)
);
create index repo_file_by_file on repo_file (file_hash);
create index repo_file_by_expiry on repo_file (expires_at) where expires_at is not null;

-- What a repository's uploaders said a file's SHA-256 is.
create table repo_sha (
  repo_id bigint not null,
  sha256 bytea not null,
  file_hash bytea not null references file (hash),
  -- 0 claimed, 1 verified, 2 refuted
  state bigint not null,
  created_at bigint not null,
  primary key (repo_id, sha256)
);
create index repo_sha_by_file on repo_sha (file_hash);

-- Eligible chunks only: the first of a file, or one in 1024.
create table dedup (
  domain bigint not null,
  chunk_hash bytea not null,
  xorb_hash bytea not null references xorb (hash) on delete cascade,
  position bigint not null,
  primary key (domain, chunk_hash)
);
create index dedup_by_xorb on dedup (xorb_hash);

-- Every accepted shard, as received, is kept as an object, so that the tables above can be made again.
create table recipe (
  key text primary key,
  repo_id bigint not null,
  domain bigint not null,
  bytes bigint not null,
  created_at bigint not null
);
