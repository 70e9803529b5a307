-- What a user or an organization holds, counted as it comes and goes, so that a quota is checked without a scan.

-- Beside the history's own counters: bytes of the repository's large files, uploads that no commit has kept among them.
alter table git_usage add column large_bytes integer not null default 0;
insert into git_usage (repo_id, objects, bytes, large_bytes)
select r.repo_id, 0, 0, sum(f.bytes) from repo_file r join file f on f.hash = r.file_hash where true group by r.repo_id
on conflict (repo_id) do update set large_bytes = excluded.large_bytes;

-- Buckets are repositories here.
create table ns_usage (
    ns_id integer not null primary key references namespace (id) on delete cascade,
    repos integer not null,
    git_bytes integer not null,
    large_bytes integer not null
) strict;
insert into ns_usage (ns_id, repos, git_bytes, large_bytes)
select r.ns_id, count(*), coalesce(sum(u.bytes), 0), coalesce(sum(u.large_bytes), 0)
from repo r left join git_usage u on u.repo_id = r.id group by r.ns_id;
