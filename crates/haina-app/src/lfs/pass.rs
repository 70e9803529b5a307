//! Passes for Git LFS, which one gets over SSH: `git-lfs-authenticate` prints one, and git-lfs sends it with what it asks
//! of the batch and of locks. A pass is for one repository and one operation and works for some minutes; whoever it was
//! made for is looked at again each time, and so is the key by which they were known.

use haina_db::ssh_keys;
use haina_types::{Action, Code, Error, RepoKind, RepoPath, Result, Timestamp};

use super::seal::Sealer;
use crate::gate::Pass;
use crate::people::KeyHolder;
use crate::{App, Caller};

/// Seconds that a pass works. Transfers may take longer: their addresses carry their own right.
const PASS_SECONDS: i64 = 900;
/// What stands before a pass in the `Authorization` header.
const SCHEME: &str = "RemoteAuth ";
const VERSION: u8 = 1;
const PAYLOAD_BYTES: usize = 26;

/// What a pass is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `download`
    Download,
    /// `upload`
    Upload,
}

impl Operation {
    /// From the word that git-lfs says.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "download" => Some(Self::Download),
            "upload" => Some(Self::Upload),
            _ => None,
        }
    }

    fn action(self) -> Action {
        match self {
            Self::Download => Action::Read,
            Self::Upload => Action::Write,
        }
    }
}

/// What git-lfs needs to go on over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LfsPass {
    /// The address of the repository's LFS doors.
    pub href: String,
    /// The value of the `Authorization` header: the pass itself.
    pub authorization: String,
    /// Seconds that it works.
    pub expires_in: i64,
}

/// Makes and reads passes.
pub(super) struct Passes(Sealer);

struct Lent {
    pass: Pass,
    key_id: i64,
    /// In seconds since the epoch.
    expires: i64,
}

impl Passes {
    pub(super) fn new(secrets: &[[u8; 32]]) -> Option<Self> {
        Sealer::new("haina-lfs 2026-11 pass", secrets).map(Self)
    }

    fn seal(&self, lent: &Lent) -> String {
        let mut out = [0; PAYLOAD_BYTES];
        out[0] = VERSION;
        out[1] = u8::from(lent.pass.action >= Action::Write);
        out[2..10].copy_from_slice(&lent.pass.repo_id.to_le_bytes());
        out[10..18].copy_from_slice(&lent.key_id.to_le_bytes());
        out[18..26].copy_from_slice(&lent.expires.to_le_bytes());
        self.0.seal(&out)
    }

    /// `None` if we did not make it, or if its time is over.
    fn open(&self, text: &str, now: Timestamp) -> Option<Lent> {
        let payload: [u8; PAYLOAD_BYTES] = self.0.open(text)?;
        let ([version, action], numbers) = payload.split_first_chunk::<2>()?;
        let (numbers, _) = numbers.as_chunks::<8>();
        let [repo_id, key_id, expires] = [0, 1, 2].map(|i: usize| i64::from_le_bytes(numbers[i]));
        if *version != VERSION || now.seconds() > expires {
            return None;
        }
        let action = if *action == 0 { Action::Read } else { Action::Write };
        Some(Lent { pass: Pass { repo_id, action }, key_id, expires })
    }
}

impl App {
    /// Lends a pass to git-lfs, for whoever may do what it is for.
    pub async fn lfs_pass(
        &self,
        holder: &KeyHolder,
        kind: RepoKind,
        path: &RepoPath,
        operation: Operation,
    ) -> Result<LfsPass> {
        let caller = &self.caller_of_key(holder).await?;
        let repo = match operation {
            Operation::Download => self.read_content(caller, kind, path).await?.repo().clone(),
            Operation::Upload => self.push(caller, kind, path).await?.repo().clone(),
        };
        let pass = Pass { repo_id: repo.id, action: operation.action() };
        let lent = Lent { pass, key_id: holder.key(), expires: self.now().seconds() + PASS_SECONDS };
        Ok(LfsPass {
            href: format!("{}/{}{}.git/info/lfs", self.base_url(), repo.kind.url_prefix(), repo.path()),
            authorization: format!("{SCHEME}{}", self.lfs().passes.seal(&lent)),
            expires_in: PASS_SECONDS,
        })
    }

    /// Who a pass in an `Authorization` header stands for: somebody who may do with one repository what it allows, if
    /// they still may. `None` if the header has something else.
    pub async fn caller_by_lfs_pass(&self, authorization: &str) -> Result<Option<Caller>> {
        let Some(secret) = authorization.strip_prefix(SCHEME) else { return Ok(None) };
        let refused = || {
            Error::new(
                Code::BadCredentials,
                "This pass for Git LFS has expired or was withdrawn. Run the command again.",
            )
        };
        let lent = self.lfs().passes.open(secret.trim(), self.now()).ok_or_else(refused)?;
        let found = {
            let mut s = self.db().read().await?;
            ssh_keys::find_ssh_key_by_id(&mut s, lent.key_id).await?
        };
        let (_, user) = found.filter(|(_, user)| user.disabled_at.is_none()).ok_or_else(refused)?;
        Ok(Some(Caller::pass(user, lent.pass)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000);

    #[test]
    fn passes_come_back_until_they_expire() {
        let passes = Passes::new(&[[7; 32]]).unwrap();
        for action in [Action::Read, Action::Write] {
            let pass = Pass { repo_id: -5, action };
            let text = passes.seal(&Lent { pass, key_id: i64::MAX, expires: NOW.seconds() });
            let lent = passes.open(&text, NOW).unwrap();
            assert_eq!((lent.pass, lent.key_id), (pass, i64::MAX));
            assert!(passes.open(&text, NOW.plus_seconds(1)).is_none());
            assert!(Passes::new(&[[8; 32]]).unwrap().open(&text, NOW).is_none());
            for at in 0..text.len() {
                for new in ["A", "b", "-", "=", "é", ""] {
                    let mut changed = text.clone();
                    changed.replace_range(at..at + 1, new);
                    assert!(changed == text || passes.open(&changed, NOW).is_none(), "{at} {new}");
                }
            }
        }
        for nonsense in ["", "A", &"A".repeat(78), &"A".repeat(5000)] {
            assert!(passes.open(nonsense, NOW).is_none());
        }
    }
}
