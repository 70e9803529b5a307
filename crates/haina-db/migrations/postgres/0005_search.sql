-- What repositories are found by. `repo_name` holds every run of up to three characters of `namespace/name`, so that
-- parts of names are found at once; `repo_text` the words of names, cards and tags as `haina_db::search` is given them.
create table repo_name (
    repo_id bigint not null primary key references repo (id) on delete cascade,
    grams tsvector not null
);
create index repo_name_grams on repo_name using gin (grams);

create table repo_text (
    repo_id bigint not null primary key references repo (id) on delete cascade,
    words tsvector not null
);
create index repo_text_words on repo_text using gin (words);

-- Which words are in `repo_text`, by the version of what makes them.
create table repo_text_state (
    repo_id bigint not null primary key references repo (id) on delete cascade,
    version bigint not null
);

insert into repo_name (repo_id, grams)
select r.id, array_to_tsvector(array(select substr(r.search, i, 3) from generate_series(1, length(r.search)) i))
from repo r;

-- Parameters of the weights, for filters by size.
alter table repo_card add column parameters bigint;
update repo_card set parameters = ((safetensors::jsonb) ->> 'total')::bigint where safetensors is not null;
update repo_card set parameters = ((gguf::jsonb) ->> 'total')::bigint where parameters is null and gguf is not null;
create index repo_card_parameters on repo_card (parameters, repo_id) where parameters is not null;
