-- How much a repository's history takes: its objects, and their bytes as they are kept.

create table git_usage (
    repo_id bigint not null primary key references repo (id) on delete cascade,
    objects bigint not null,
    bytes bigint not null
);

insert into git_usage (repo_id, objects, bytes)
select repo_id, count(*), sum(length(z)) from git_object group by repo_id;
