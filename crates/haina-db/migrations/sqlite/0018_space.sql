-- What a space's environment is to have: variables, which its readers may see, and secrets, which nobody sees again.

-- `value` of a secret is sealed for `space_setting/REPO/KEY`.
create table space_setting (
    id integer not null primary key autoincrement,
    repo_id integer not null references repo (id) on delete cascade,
    key text not null,
    secret integer not null,
    value text not null,
    description text,
    updated_at integer not null
) strict;
create unique index space_setting_key on space_setting (repo_id, key);
