-- What a user or an organization holds, counted as it comes and goes, so that a quota is checked without a scan.

-- Beside the history's own counters: bytes of the repository's large files, uploads that no commit has kept among them.
alter table git_usage add column large_bytes bigint not null default 0;
insert into git_usage (repo_id, objects, bytes, large_bytes)
select r.repo_id, 0, 0, cast(sum(f.bytes) as bigint) from repo_file r join file f on f.hash = r.file_hash where true group by r.repo_id
on conflict (repo_id) do update set large_bytes = excluded.large_bytes;

-- Buckets are repositories here.
create table ns_usage (
    ns_id bigint not null primary key references namespace (id) on delete cascade,
    repos bigint not null,
    git_bytes bigint not null,
    large_bytes bigint not null
);
insert into ns_usage (ns_id, repos, git_bytes, large_bytes)
select r.ns_id, count(*), coalesce(cast(sum(u.bytes) as bigint), 0), coalesce(cast(sum(u.large_bytes) as bigint), 0)
from repo r left join git_usage u on u.repo_id = r.id group by r.ns_id;
