//! Signing in with an institution's own accounts: OpenID Connect, plain OAuth 2, LDAP.
//!
//! A provider says who somebody is there: a subject that never changes. Which account here is theirs they say
//! themselves, once, signed in or by making it; a name or an e-mail address that happens to be the same proves nothing.

mod arrive;
mod http;
mod ldap;
mod oauth2;
mod oidc;
mod provider;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use haina_types::{Error, Result, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

pub(crate) use http::checked as check_address;
pub(crate) use oidc::unverified_issuer;

pub use arrive::{Arrival, Pending, Way};
pub use oauth2::Begun;
pub use provider::{GroupRule, Kind, Ldap, OAuth2, Oidc, Provider, ProviderSummary};

/// What a provider says of somebody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who they are there; never changes.
    pub subject: String,
    /// What they are called there.
    pub name: Option<String>,
    /// Their name for people.
    pub full_name: Option<String>,
    /// Their e-mail address.
    pub email: Option<String>,
    /// Their groups, if the provider says.
    pub groups: Option<Vec<String>>,
}

/// Longest subject, in bytes (OpenID Connect Core: 255 characters).
const SUBJECT_BYTES_MAX: usize = 1024;
/// Longest of the other texts, in characters.
const TEXT_CHARS_MAX: usize = 254;
/// Most groups that are looked at.
const GROUPS_MAX: usize = 2000;

impl Claims {
    /// Bounds what came from outside.
    fn checked(mut self) -> Result<Self> {
        if self.subject.is_empty() || self.subject.len() > SUBJECT_BYTES_MAX {
            return Err(http::faulty("it does not say who the person is"));
        }
        for text in [&mut self.name, &mut self.full_name, &mut self.email] {
            let fits = |t: &String| {
                !t.trim().is_empty() && t.chars().count() <= TEXT_CHARS_MAX && !t.chars().any(char::is_control)
            };
            *text = text.take().filter(fits);
        }
        if let Some(groups) = &mut self.groups {
            groups.truncate(GROUPS_MAX);
        }
        Ok(self)
    }

    /// What to call them beside the provider's name.
    fn label(&self) -> String {
        self.name.as_ref().or(self.email.as_ref()).unwrap_or(&self.subject).chars().take(100).collect()
    }
}

/// Most requests to providers at once.
const ASKED_AT_ONCE: usize = 16;

/// What the use cases here keep between requests.
pub(crate) struct State {
    http: reqwest::Client,
    /// Strangers make the hub ask providers: so many at once.
    asking: Semaphore,
    /// Descriptions and keys of providers, by address.
    documents: Mutex<HashMap<String, (Timestamp, Arc<serde_json::Value>)>>,
}

impl State {
    pub fn new() -> Result<Self> {
        let http = http::client().map_err(Error::internal)?;
        Ok(Self { http, asking: Semaphore::new(ASKED_AT_ONCE), documents: Mutex::default() })
    }
}
