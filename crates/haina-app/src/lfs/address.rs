//! Addresses that carry their own right.

use haina_db::lfs::UploadId;
use haina_types::{Code, Error, Result, Sha256, Timestamp};

use super::seal::Sealer;
use crate::App;

/// What an address allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// To read the object.
    Get,
    /// To send it whole.
    Put,
    /// To send one part of it.
    Part,
    /// To put its parts together.
    Complete,
    /// To ask whether it is there.
    Verify,
}

impl Action {
    fn number(self) -> u8 {
        match self {
            Self::Get => 0,
            Self::Put => 1,
            Self::Part => 2,
            Self::Complete => 3,
            Self::Verify => 4,
        }
    }
}

/// One action on one object of one repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    pub action: Action,
    pub repo_id: i64,
    /// For whom it was made.
    pub user_id: Option<i64>,
    /// Whether what comes is for a proposal of somebody who may not write.
    pub proposed: bool,
    pub oid: Sha256,
    /// Bytes of the object.
    pub size: u64,
    /// Bytes of each part but the last; 0 for an object that comes whole.
    pub part_bytes: u64,
    /// The part's number, from 1; 0 for all others than [`Action::Part`].
    pub part: u32,
    /// In seconds since the epoch.
    pub expires: i64,
}

const VERSION: u8 = 1;
const FLAG_USER: u8 = 0x80;
const FLAG_PROPOSED: u8 = 0x40;
const GRANT_BYTES: usize = 78;

impl Grant {
    /// Which upload in parts this is about. Other people's parts cannot get between one's own.
    pub(super) fn upload(&self) -> UploadId {
        let mut hasher = blake3::Hasher::new_derive_key("haina-lfs 2026-11 upload in parts");
        hasher.update(&self.repo_id.to_le_bytes());
        hasher.update(&self.user_id.unwrap_or(0).to_le_bytes());
        hasher.update(self.oid.as_bytes());
        hasher.update(&self.size.to_le_bytes());
        hasher.update(&self.part_bytes.to_le_bytes());
        *hasher.finalize().as_bytes()
    }

    /// How many parts the object comes in.
    pub(super) fn parts(&self) -> u64 {
        self.size.div_ceil(self.part_bytes.max(1))
    }

    /// The bytes of the part that is meant.
    pub(super) fn part_len(&self) -> u64 {
        let before = u64::from(self.part.saturating_sub(1)) * self.part_bytes;
        self.size.saturating_sub(before).min(self.part_bytes)
    }

    fn seal(&self) -> [u8; GRANT_BYTES] {
        let mut out = [0; GRANT_BYTES];
        let user = if self.user_id.is_some() { FLAG_USER } else { 0 };
        let proposed = if self.proposed { FLAG_PROPOSED } else { 0 };
        let fields: [&[u8]; 8] = [
            &[VERSION, self.action.number() | user | proposed],
            &self.repo_id.to_le_bytes(),
            &self.user_id.unwrap_or(0).to_le_bytes(),
            self.oid.as_bytes(),
            &self.size.to_le_bytes(),
            &self.part_bytes.to_le_bytes(),
            &self.part.to_le_bytes(),
            &self.expires.to_le_bytes(),
        ];
        let mut at = 0;
        for field in fields {
            out[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        }
        out
    }

    /// From a payload that we signed; `None` if it is of another version or for another action.
    fn open(payload: &[u8; GRANT_BYTES], action: Action) -> Option<Self> {
        let mut rest = &payload[..];
        fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
            let (head, tail) = rest.split_first_chunk::<N>()?;
            *rest = tail;
            Some(*head)
        }
        let [version, what] = take(&mut rest)?;
        if version != VERSION || what & !(FLAG_USER | FLAG_PROPOSED) != action.number() {
            return None;
        }
        let repo_id = i64::from_le_bytes(take(&mut rest)?);
        let user_id = i64::from_le_bytes(take(&mut rest)?);
        Some(Self {
            action,
            repo_id,
            user_id: (what & FLAG_USER != 0).then_some(user_id),
            proposed: what & FLAG_PROPOSED != 0,
            oid: Sha256(take(&mut rest)?),
            size: u64::from_le_bytes(take(&mut rest)?),
            part_bytes: u64::from_le_bytes(take(&mut rest)?),
            part: u32::from_le_bytes(take(&mut rest)?),
            expires: i64::from_le_bytes(take(&mut rest)?),
        })
    }
}

/// Signs with its first key, accepts all.
pub(super) struct Signer(Sealer);

/// Why an address was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Signature,
    Expired,
}

impl Signer {
    /// With the newest secret first; `None` without any.
    pub(super) fn new(secrets: &[[u8; 32]]) -> Option<Self> {
        Sealer::new("haina-lfs 2026-11 transfer address", secrets).map(Self)
    }

    fn sign(&self, grant: &Grant) -> String {
        self.0.seal(&grant.seal())
    }

    fn verify(&self, text: &str, action: Action, now: Timestamp) -> Result<Grant, Refused> {
        let payload = self.0.open(text).ok_or(Refused::Signature)?;
        let grant = Grant::open(&payload, action).ok_or(Refused::Signature)?;
        if now.seconds() > grant.expires { Err(Refused::Expired) } else { Ok(grant) }
    }
}

impl App {
    /// The absolute address that allows what a grant says.
    pub(super) fn lfs_address(&self, grant: &Grant) -> String {
        let below = match grant.action {
            Action::Get | Action::Put => String::new(),
            Action::Part => format!("/parts/{}", grant.part),
            Action::Complete => "/complete".to_owned(),
            Action::Verify => "/verify".to_owned(),
        };
        format!("{}/api/lfs/objects/{}{below}?grant={}", self.base_url(), grant.oid, self.lfs().signer.sign(grant))
    }

    /// The grant of an address, if it is for this object and action and its time is not over.
    pub(super) fn lfs_grant(&self, oid: &str, text: &str, action: Action) -> Result<Grant> {
        let refuse = |why: &str| {
            Error::new(Code::Forbidden, format!("This address does not allow that: {why}. Ask the LFS batch again."))
        };
        let grant = self.lfs().signer.verify(text, action, self.now()).map_err(|e| match e {
            Refused::Signature => refuse("its signature is wrong"),
            Refused::Expired => refuse("it has expired"),
        })?;
        if grant.oid.to_string() != oid {
            return Err(refuse("it is for another object"));
        }
        Ok(grant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn grant() -> Grant {
        Grant {
            action: Action::Part,
            repo_id: 7,
            user_id: Some(i64::MIN),
            proposed: false,
            oid: Sha256([9; 32]),
            size: 250,
            part_bytes: 100,
            part: 3,
            expires: 1_000_000,
        }
    }

    #[test]
    fn round_trip_with_key_overlap() {
        let (old, new) = (Signer::new(&[[1; 32]]).unwrap(), Signer::new(&[[2; 32], [1; 32]]).unwrap());
        for g in [grant(), Grant { user_id: None, action: Action::Get, ..grant() }, Grant { proposed: true, ..grant() }]
        {
            assert_eq!(new.verify(&old.sign(&g), g.action, NOW), Ok(g));
            assert_eq!(old.verify(&new.sign(&g), g.action, NOW), Err(Refused::Signature));
        }
        assert!(Signer::new(&[]).is_none());
    }

    #[test]
    fn only_for_its_action_and_its_time() {
        let signer = Signer::new(&[[1; 32]]).unwrap();
        let text = signer.sign(&grant());
        for other in [Action::Get, Action::Put, Action::Complete, Action::Verify] {
            assert_eq!(signer.verify(&text, other, NOW), Err(Refused::Signature));
        }
        assert!(signer.verify(&text, Action::Part, NOW).is_ok());
        assert_eq!(signer.verify(&text, Action::Part, NOW.plus_seconds(1)), Err(Refused::Expired));
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let signer = Signer::new(&[[1; 32]]).unwrap();
        let text = signer.sign(&grant());
        assert!(text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c)));
        for at in 0..text.len() {
            for new in ["A", "b", "-", "=", "é", ""] {
                let mut changed = text.clone();
                changed.replace_range(at..at + 1, new);
                if changed != text {
                    assert_eq!(signer.verify(&changed, Action::Part, NOW), Err(Refused::Signature));
                }
            }
        }
        for nonsense in ["", "A", &"A".repeat(147), &"A".repeat(5000)] {
            assert_eq!(signer.verify(nonsense, Action::Part, NOW), Err(Refused::Signature));
        }
    }

    #[test]
    fn parts_cover_the_object() {
        let len = |part| Grant { part, ..grant() }.part_len();
        assert_eq!((grant().parts(), len(1), len(2), len(3), len(4)), (3, 100, 100, 50, 0));
        let even = Grant { size: 200, part: 2, ..grant() };
        assert_eq!((even.parts(), even.part_len()), (2, 100));
        assert_ne!(even.upload(), grant().upload());
    }
}
