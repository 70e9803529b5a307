-- Public keys by which people are known at the SSH door. A key is somebody's or nobody's: it never names two people.

create table ssh_key (
    id integer not null primary key autoincrement,
    user_id integer not null references namespace (id) on delete cascade,
    name text not null,
    kind text not null,
    -- SHA-256 of `key`, which is the key as SSH writes it on the wire.
    fingerprint blob not null unique,
    key blob not null,
    created_at integer not null,
    last_used_at integer
) strict;
create index ssh_key_of_user on ssh_key (user_id);
