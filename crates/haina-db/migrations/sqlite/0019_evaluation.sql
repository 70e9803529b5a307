-- What the main branches of models say of how they were evaluated, and which data sets are benchmarks.

-- One row for each result of `.eval_results/*.yaml`, or one for a file that cannot be read, with `error` alone. `data` is the
-- result as clients get it; `dataset` is its data set's folded name, which need not exist.
create table evaluation (
    id integer not null primary key autoincrement,
    repo_id integer not null references repo (id) on delete cascade,
    filename text not null,
    error text,
    dataset text,
    task text,
    value real,
    data text
) strict;
create index evaluation_of_repo on evaluation (repo_id, id);
create index evaluation_of_dataset on evaluation (dataset, task, value);

-- `eval.yaml` of a data set: its tasks as a JSON list, or why it cannot be read.
create table benchmark (
    repo_id integer not null primary key references repo (id) on delete cascade,
    tasks text not null,
    error text
) strict;
