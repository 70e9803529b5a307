//! Whether every statement of this crate means something to the database that is open.

use crate::sql::Sql;
use crate::{Db, Result, content, git, identity, jobs, ledger, lfs, meta, oauth, people, repos};

impl Db {
    /// Prepares every statement; how many there are. For tests, and for `fsck` after a migration by hand.
    pub async fn check_statements(&self) -> Result<usize> {
        let modules = [
            content::STATEMENTS,
            git::STATEMENTS,
            identity::STATEMENTS,
            jobs::STATEMENTS,
            ledger::STATEMENTS,
            lfs::STATEMENTS,
            meta::STATEMENTS,
            oauth::STATEMENTS,
            people::STATEMENTS,
            repos::STATEMENTS,
        ];
        let mut s = self.read().await?;
        let built: Vec<Sql> = ledger::list_shapes().into_iter().chain(repos::list_shapes(s.is_postgres())).collect();
        let mut count = 0;
        for sql in modules.into_iter().flatten().copied().chain(&built) {
            s.prepare(sql).await?;
            count += 1;
        }
        Ok(count)
    }
}
