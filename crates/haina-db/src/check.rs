//! Whether every statement of this crate means something to the database that is open.

use crate::sql::Sql;
use crate::{
    Db, Result, buckets, collections, content, discussions, evaluations, facets, gates, git, git_pack, git_usage,
    groups, identity, jobs, ledger, lfs, meta, moves, oauth, orgs, people, repos, search, secrets, social, spaces,
    ssh_keys, webhooks,
};

impl Db {
    /// Prepares every statement; how many there are. For tests, and for `fsck` after a migration by hand.
    pub async fn check_statements(&self) -> Result<usize> {
        let modules = [
            buckets::STATEMENTS,
            collections::STATEMENTS,
            content::STATEMENTS,
            discussions::STATEMENTS,
            evaluations::STATEMENTS,
            facets::STATEMENTS,
            gates::STATEMENTS,
            git::STATEMENTS,
            git_usage::STATEMENTS,
            git_pack::STATEMENTS,
            groups::STATEMENTS,
            identity::STATEMENTS,
            jobs::STATEMENTS,
            ledger::STATEMENTS,
            lfs::STATEMENTS,
            meta::STATEMENTS,
            moves::STATEMENTS,
            oauth::STATEMENTS,
            orgs::STATEMENTS,
            people::STATEMENTS,
            repos::STATEMENTS,
            social::STATEMENTS,
            search::STATEMENTS,
            secrets::STATEMENTS,
            spaces::STATEMENTS,
            ssh_keys::STATEMENTS,
            webhooks::STATEMENTS,
        ];
        let mut s = self.read().await?;
        let postgres = s.is_postgres();
        let mut built: Vec<Sql> = ledger::list_shapes();
        built.extend(crate::lists::list_shapes(postgres));
        built.extend(facets::shapes(postgres));
        built.extend(collections::list_shapes(postgres));
        built.extend(social::list_shapes(postgres));
        built.extend(discussions::list_shapes());
        let mut count = 0;
        for sql in modules.into_iter().flatten().copied().chain(&built) {
            s.prepare(sql).await?;
            count += 1;
        }
        Ok(count)
    }
}
