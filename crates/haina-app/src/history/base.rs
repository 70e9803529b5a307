//! Where two histories part.

use std::collections::{BinaryHeap, HashMap};

use haina_db::git;
use haina_types::{Code, Error, Oid, Result};

/// Most commits that are looked at.
const COMMITS_MAX: usize = 50_000;

/// Reached from the one, from the other, or from both.
const BOTH: u8 = 3;

/// A commit that both reach and none of whose descendants both reach; `None` when the histories have nothing in common.
/// Of several, which crossing merges can make, it is any.
pub(crate) async fn merge_base(s: &mut haina_db::Session, repo: i64, a: Oid, b: Oid) -> Result<Option<Oid>> {
    let mut sides: HashMap<Oid, u8> = HashMap::new();
    let mut heap = BinaryHeap::new();
    let mut next = vec![(a, 1), (b, 2)];
    loop {
        for (oid, side) in next.drain(..) {
            let known = sides.entry(oid).or_default();
            let is_new = *known == 0;
            *known |= side;
            if is_new {
                let commit = git::find_commit(s, repo, &oid).await?;
                let commit = commit.ok_or_else(|| Error::internal(format!("commit {oid} is missing")))?;
                heap.push((commit.gen_number, oid, commit.parents));
            }
        }
        if sides.len() > COMMITS_MAX {
            return Err(Error::new(
                Code::TooLarge,
                format!(
                    "The histories parted more than {COMMITS_MAX} commits ago: bring them together with git first."
                ),
            ));
        }
        // A commit's generation is above that of all that it reaches, so what comes out is reached by nobody later.
        let Some((_, oid, parents)) = heap.pop() else { return Ok(None) };
        match sides.get(&oid) {
            Some(&BOTH) => return Ok(Some(oid)),
            side => {
                let side = side.copied().unwrap_or(0);
                next.extend(parents.into_iter().map(|p| (p, side)));
            }
        }
    }
}
