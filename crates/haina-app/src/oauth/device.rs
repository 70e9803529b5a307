//! The device flow (RFC 8628): a machine without a browser shows a short code, its person types it into theirs.

use haina_db::oauth as db;
use haina_types::{Code, Error, Result, Timestamp};
use serde_json::json;

use super::{Answer, Refusal, Scopes, TokenAnswer};
use crate::people::secret_hash;
use crate::{App, Caller};

/// How long a machine waits, in seconds.
const SECONDS: i64 = 15 * 60;
/// How long a machine waits between questions, in seconds.
const INTERVAL: i64 = 5;
/// Most machines that wait at once.
const WAITING_MAX: u64 = 50_000;
/// Letters of short codes: no vowels, so that they spell nothing (RFC 8628, 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Length of short codes: with few tries for each person, 34 bits are out of reach of guessing.
const LENGTH: usize = 8;
/// Wrong codes that one person may type before a pause.
const TRIES_MAX: u32 = 10;

/// What a machine that begins to wait is told.
#[derive(Debug, Clone)]
pub struct DeviceStart {
    /// What the machine asks with.
    pub device_code: String,
    /// What its person types.
    pub user_code: String,
    /// Where they type it.
    pub verification_uri: String,
    /// The same with the code in it.
    pub verification_uri_complete: String,
    /// Seconds until it ends.
    pub expires_in: i64,
    /// Seconds between questions.
    pub interval: i64,
}

/// A machine that waits, as its person is shown it.
#[derive(Debug, Clone)]
pub struct DeviceRequest {
    /// The short code, as it is shown.
    pub user_code: String,
    /// The application's name.
    pub application: String,
    /// What it says of itself.
    pub agent: String,
    /// What it asks for.
    pub scopes: Scopes,
    /// Since when it waits.
    pub created_at: Timestamp,
}

/// What a person decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Let it in.
    Approve {
        /// Without the right to change anything.
        reading_only: bool,
    },
    /// Keep it out.
    Deny,
}

/// The letters of a short code as people type it; none when it cannot be one.
fn letters(typed: &str) -> Option<String> {
    if typed.len() > 100 {
        return None;
    }
    let code: String = typed.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    (code.len() == LENGTH && code.bytes().all(|b| LETTERS.contains(&b))).then_some(code)
}

fn shown(code: &str) -> String {
    format!("{}-{}", &code[..LENGTH / 2], &code[LENGTH / 2..])
}

fn wrong_code() -> Error {
    Error::new(Code::NotFound, "There is no machine waiting with this code. It may have expired: start again there.")
}

impl App {
    fn short_code(&self) -> String {
        let mut code = String::with_capacity(LENGTH);
        while code.len() < LENGTH {
            // 240 = 12 × 20: reject the rest so that every letter is equally likely.
            let bytes = self.rng().array::<16>();
            let fair = bytes.iter().filter(|b| **b < 240).take(LENGTH - code.len());
            code.extend(fair.map(|b| char::from(LETTERS[usize::from(*b) % LETTERS.len()])));
        }
        code
    }

    /// A machine begins to wait. `agent` is what it says of itself.
    pub async fn begin_device(&self, client_id: &str, scope: &str, agent: &str) -> Answer<DeviceStart> {
        let client = {
            let mut s = self.db().read().await?;
            db::find_client(&mut s, client_id).await?
        };
        let client = client
            .filter(|c| c.device)
            .ok_or_else(|| Refusal::new("invalid_client", "This client_id is not registered for the device flow."))?;
        let asked = if scope.trim().is_empty() { &client.scope } else { scope };
        let scopes = Scopes::parse(asked);
        if scopes.is_empty() {
            return Err(Refusal::new("invalid_scope", "None of these scopes exists here.").into());
        }
        let agent: String = agent.chars().filter(|c| !c.is_control()).take(200).collect();
        let (device_code, user_code) = (self.rng().alphanumeric(43), self.short_code());
        let now = self.now();
        let mut tx = self.db().begin().await?;
        if db::count_devices(&mut tx, now).await? >= WAITING_MAX {
            return Err(Error::new(Code::RateLimited, "Too many machines are waiting. Please try again later.").into());
        }
        let new = db::NewDevice {
            hash: &secret_hash(&device_code),
            user_code_hash: &self.oauth().derive("user code", &user_code),
            client_id: client.id,
            scope: &scopes.to_string(),
            agent: &agent,
            created_at: now,
            expires_at: now.plus_seconds(SECONDS),
        };
        db::insert_device(&mut tx, &new).await?;
        tx.commit().await?;
        let (user_code, place) = (shown(&user_code), format!("{}/device", self.base_url()));
        Ok(DeviceStart {
            device_code,
            verification_uri_complete: format!("{place}?user_code={user_code}"),
            user_code,
            verification_uri: place,
            expires_in: SECONDS,
            interval: INTERVAL,
        })
    }

    async fn find_waiting(&self, caller: &Caller, typed: &str) -> Result<(String, db::Device)> {
        let user = caller.require_person()?;
        let now = self.now();
        let who = user.id.to_string();
        self.attempts().check("device code", &who, TRIES_MAX, now)?;
        let found = match letters(typed) {
            None => None,
            Some(code) => {
                let mut s = self.db().read().await?;
                let found = db::find_device_by_code(&mut s, &self.oauth().derive("user code", &code)).await?;
                found.filter(|d| d.approved.is_none() && d.expires_at > now).map(|d| (code, d))
            }
        };
        found.ok_or_else(|| {
            self.attempts().miss("device code", &who, now);
            wrong_code()
        })
    }

    /// The machine that waits with a short code.
    pub async fn device_request(&self, caller: &Caller, typed: &str) -> Result<DeviceRequest> {
        let (code, device) = self.find_waiting(caller, typed).await?;
        Ok(DeviceRequest {
            user_code: shown(&code),
            application: device.client.name,
            agent: device.agent,
            scopes: Scopes::parse(&device.scope),
            created_at: device.created_at,
        })
    }

    /// Lets a machine in, or not.
    pub async fn decide_device(&self, caller: &Caller, typed: &str, decision: Decision) -> Result<()> {
        let (_, device) = self.find_waiting(caller, typed).await?;
        let user = caller.require_person()?;
        let scopes = Scopes::parse(&device.scope);
        let (approved, scopes) = match decision {
            Decision::Approve { reading_only: true } => (true, scopes.reading_only()),
            Decision::Approve { reading_only: false } => (true, scopes),
            Decision::Deny => (false, scopes),
        };
        let now = self.now();
        let mut tx = self.db().begin().await?;
        if !db::decide_device(&mut tx, device.id, user.id, approved, &scopes.to_string(), now).await? {
            return Err(wrong_code());
        }
        let data = json!({"application": device.client.client_id, "approved": approved, "scope": scopes.to_string()});
        self.append(&mut tx, Some(user.id), "oauth.device", None, Some(user.id), data).await?;
        Ok(tx.commit().await?)
    }

    /// A machine asks whether it was let in.
    pub(super) async fn exchange_device_code(&self, client: &db::Client, code: &str) -> Answer<TokenAnswer> {
        let now = self.now();
        let device = {
            let mut s = self.db().read().await?;
            db::find_device(&mut s, &secret_hash(code)).await?
        };
        let device = device.filter(|d| d.client.id == client.id);
        let device = device.ok_or_else(|| Refusal::new("invalid_grant", "The device code is wrong or was used."))?;
        if device.expires_at <= now {
            return Err(Refusal::new("expired_token", "The device code has expired. Please start again.").into());
        }
        let Some(approved) = device.approved else {
            let mut tx = self.db().begin().await?;
            // A second is granted for the way.
            let in_time = db::poll_device(&mut tx, device.id, now, now.plus_seconds(1 - INTERVAL)).await?;
            tx.commit().await?;
            return Err(if in_time {
                Refusal::new("authorization_pending", "Nobody has typed the code yet.")
            } else {
                Refusal::new("slow_down", format!("Please wait {INTERVAL} seconds between questions."))
            }
            .into());
        };
        let mut tx = self.db().begin().await?;
        if !db::take_device(&mut tx, device.id).await? {
            return Err(Refusal::new("invalid_grant", "The device code is wrong or was used.").into());
        }
        let (true, Some(user)) = (approved, device.user_id) else {
            tx.commit().await?;
            return Err(Refusal::new("access_denied", "The request was denied.").into());
        };
        let user = self.granting_user(&mut tx, user).await?;
        let scopes = Scopes::parse(&device.scope);
        let grant = self.begin_grant(&mut tx, client, &user, &scopes).await?;
        let issued = self.issue(&mut tx, &grant, client, &user, &scopes, true).await?;
        tx.commit().await?;
        self.answer(issued, client, &user, &scopes, None).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_codes_are_read_as_people_type_them() {
        assert_eq!(letters(" bcdf-ghjk ").as_deref(), Some("BCDFGHJK"));
        assert_eq!(shown("BCDFGHJK"), "BCDF-GHJK");
        for bad in ["", "BCDF-GHJ", "BCDF-GHJA", "BCDFGHJKL", "ＢCDFGHJK"] {
            assert_eq!(letters(bad), None, "{bad}");
        }
    }
}
