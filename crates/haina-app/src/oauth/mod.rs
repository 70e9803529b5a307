//! The hub as a provider of OAuth 2 and OpenID Connect: applications, consent, codes, tokens.
//!
//! RFC 6749 with what RFC 9700 asks for: only the code and device flows, PKCE by SHA-256 (RFC 7636) for every
//! application without a secret, addresses compared to the letter, codes used once, refresh tokens rotated. Access
//! tokens are tokens like all others for the gate; they stand on a grant, which ends all that was issued on it.

mod apps;
mod authorize;
mod device;
mod exchange;
mod grants;
mod keys;
mod publisher;
mod scope;
mod userinfo;

use haina_types::{Code, Error, Result, Rng};

pub use apps::{App as Application, NewApp, RegisteredApp};
pub use authorize::{Authorize, AuthorizeRequest, Consent};
pub use device::{Decision, DeviceRequest, DeviceStart};
pub use exchange::{TokenAnswer, TokenRequest};
pub use grants::GrantSummary;
pub use keys::Jwk;
pub use publisher::NewPublisher;
pub use scope::{Scope, Scopes};
pub use userinfo::{OrgClaims, UserInfo};

/// Why a request of an application is refused, in the words of RFC 6749, 8628 and 8693.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `invalid_grant` and its kin.
    pub code: &'static str,
    /// For the developer of the application.
    pub description: String,
}

impl Refusal {
    /// With words for the developer.
    pub fn new(code: &'static str, description: impl Into<String>) -> Self {
        Self { code, description: description.into() }
    }
}

/// Why an application gets no answer: it asked wrongly, or something failed.
#[derive(Debug)]
pub enum Failure {
    /// It asked wrongly, or may not have this.
    Refused(Refusal),
    /// Something else.
    Failed(Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Self::Failed(e)
    }
}

impl From<haina_db::Error> for Failure {
    fn from(e: haina_db::Error) -> Self {
        Self::Failed(e.into())
    }
}

/// What the use cases of applications return.
pub type Answer<T> = std::result::Result<T, Failure>;

/// What the use cases here keep between requests.
pub struct State {
    /// Short codes are kept under this key, for they could be guessed from a plain hash.
    key: [u8; 32],
    keys: keys::Keys,
}

impl State {
    /// Reads, or at the first start makes, the key of short codes.
    pub(crate) async fn load(db: &haina_db::Db, vault: &crate::secrets::Vault, rng: &dyn Rng) -> Result<Self> {
        let mut tx = db.begin().await?;
        let key = vault.keep(&mut tx, "oauth.key", &rng.array::<32>()).await?;
        tx.commit().await?;
        let key = key.try_into().map_err(|_| Error::internal("the meta row oauth.key is not a key"))?;
        Ok(Self { key, keys: keys::Keys::default() })
    }

    /// A secret that follows from another one and the hub's key.
    pub(crate) fn derive(&self, purpose: &str, from: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(purpose.as_bytes()).update(b"\0").update(from.as_bytes());
        *hasher.finalize().as_bytes()
    }
}

impl crate::Caller {
    /// The person at a browser. A token cannot agree to more tokens.
    pub(crate) fn require_person(&self) -> Result<&haina_db::people::User> {
        let user = self.require_user()?;
        if self.token_info().is_some() || !self.token_may_manage_account() {
            return Err(Error::new(Code::Forbidden, "Only a person who signed in with a browser can do this."));
        }
        Ok(user)
    }
}
