-- Jobs that get a token for one repository by a statement that their own provider signs. `subject` may end in '*'.
create table publisher (
    id integer not null primary key autoincrement,
    grant_id integer not null references oauth_grant (id) on delete cascade,
    repo_id integer not null references repo (id) on delete cascade,
    issuer text not null,
    subject text not null,
    created_at integer not null
) strict;
create index publisher_by_grant on publisher (grant_id);
create index publisher_by_repo on publisher (repo_id);
