-- The words of `repo_text` again, between spaces: whether one repository has some of them is seen in its row. SQLite's
-- index of words is slow to say that of one row; PostgreSQL's is not, and keeps them only so that both hold the same.
alter table repo_text_state add column words text collate "C" not null default ' ';
