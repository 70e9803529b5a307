-- What repositories are found by. `repo_name` holds every run of up to three characters of `namespace/name`, so that
-- parts of names are found at once; `repo_text` the words of names, cards and tags as `haina_db::search` is given them.
-- The texts themselves are not kept, only their indices.
create virtual table repo_name using fts5 (grams, content = '', contentless_delete = 1, detail = none,
    tokenize = "unicode61 remove_diacritics 0 tokenchars '-_./'");
create virtual table repo_text using fts5 (words, content = '', contentless_delete = 1, detail = none,
    tokenize = "unicode61 remove_diacritics 0");

-- Which words are in `repo_text`, by the version of what makes them.
create table repo_text_state (
    repo_id integer not null primary key references repo (id) on delete cascade,
    version integer not null
) strict;

create trigger repo_found_no_more after delete on repo begin
    delete from repo_name where rowid = old.id;
    delete from repo_text where rowid = old.id;
end;

insert into repo_name (rowid, grams)
select r.id, (
    with recursive n (i) as (select 1 union all select i + 1 from n where i < length(r.search))
    select group_concat(substr(r.search, i, 3), ' ') from n)
from repo r;

-- Parameters of the weights, for filters by size.
alter table repo_card add column parameters integer;
update repo_card set parameters = json_extract(safetensors, '$.total') where safetensors is not null;
update repo_card set parameters = json_extract(gguf, '$.total') where parameters is null and gguf is not null;
create index repo_card_parameters on repo_card (parameters, repo_id) where parameters is not null;
