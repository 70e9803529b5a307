//! People and their keys: accounts, organizations, tokens, sessions, invitations.

mod accounts;
mod activity;
mod groups;
mod invitations;
mod members;
mod orgs;
mod password;
mod profile;
mod services;
mod sessions;
mod ssh_keys;
mod tokens;

pub use accounts::{NewUser, SignUp, Signup};
pub(crate) use accounts::{check_email, check_full_name, taken};
pub use activity::Activity;
pub(crate) use activity::default_visibility;
pub use groups::{GroupView, NewGroup};
pub use haina_db::people::Namespace;
pub use invitations::{INVITE_DAYS, Invitee, NewInvite, OrgInvite, Which};
pub use orgs::NewOrg;
pub use profile::{Identity, Membership, Profile};
pub use services::Service;
pub use sessions::NewSession;
pub use ssh_keys::{KeyHolder, SshKeySummary};
pub(crate) use tokens::RANDOM_CHARS;
pub use tokens::{NewToken, TokenSummary};

use sha2::{Digest, Sha256};

/// How a secret is kept: only its SHA-256. Our secrets have at least 190 bits of entropy, so no salt or
/// slow hash is needed; passwords, which have not, go through Argon2.
pub(crate) fn secret_hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
