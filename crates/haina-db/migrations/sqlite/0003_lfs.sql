-- Git LFS. Its objects are files like all others (0002); here are locks, and parts of uploads that are not complete.

create table lfs_lock (
    id integer not null primary key autoincrement,
    repo_id integer not null references repo (id) on delete cascade,
    path text not null,
    owner_id integer not null references namespace (id) on delete cascade,
    created_at integer not null,
    unique (repo_id, path)
) strict;
create index lfs_lock_by_repo on lfs_lock (repo_id, id);
create index lfs_lock_by_owner on lfs_lock (owner_id);

-- `upload` names repository, uploader, object and division into parts. The bytes rest as an object until then.
create table lfs_part (
    upload blob not null,
    part integer not null,
    repo_id integer not null references repo (id) on delete cascade,
    etag text not null,
    bytes integer not null,
    object text not null,
    expires_at integer not null,
    primary key (upload, part)
) strict, without rowid;
create index lfs_part_by_repo on lfs_part (repo_id);
create index lfs_part_by_object on lfs_part (object);
create index lfs_part_by_expiry on lfs_part (expires_at);
