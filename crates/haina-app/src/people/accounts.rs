//! Making accounts: by the operator, by sign-up, by the one-time set-up link.

use haina_db::{ledger, meta, people};
use haina_types::{Code, Error, Result, Slug, Timestamp};
use serde_json::json;

use super::{NewSession, password, secret_hash};
use crate::App;

/// How long the set-up link works, in days.
const SETUP_DAYS: i64 = 7;

/// Who may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signup {
    /// Anyone.
    Open,
    /// Anyone with an invitation.
    Invite,
    /// Only the operator makes accounts.
    Closed,
}

/// An account that the operator makes.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Unique name, also the namespace of the user's repositories.
    pub name: Slug,
    /// Name for people; the user name when absent.
    pub full_name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Whether the user administers the site.
    pub admin: bool,
}

/// What a person fills in to get an account.
#[derive(Debug, Clone)]
pub struct SignUp {
    /// User name.
    pub name: String,
    /// Name for people.
    pub full_name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Password.
    pub password: String,
    /// The secret of an invitation.
    pub invite: Option<String>,
}

pub(crate) fn taken(e: haina_db::Error) -> Error {
    match e {
        haina_db::Error::Conflict(_) => Error::new(Code::Conflict, "This name or e-mail address is already taken."),
        e => e.into(),
    }
}

/// Checks a full name: one line of at most 100 characters.
pub(crate) fn check_full_name(text: &str) -> Result<()> {
    if text.chars().count() > 100 || text.chars().any(char::is_control) {
        return Err(Error::invalid("A full name is one line of at most 100 characters."));
    }
    Ok(())
}

pub(crate) fn check_email(text: &str) -> Result<()> {
    let plausible = text.len() <= 254
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
        && text.split_once('@').is_some_and(|(local, host)| !local.is_empty() && host.len() >= 3);
    if plausible { Ok(()) } else { Err(Error::invalid("This does not look like an e-mail address.")) }
}

impl App {
    /// Makes a user without a password (the operator's `haina admin user add`).
    pub async fn add_user(&self, user: NewUser) -> Result<i64> {
        let full_name = user.full_name.as_deref().unwrap_or(user.name.as_str()).trim();
        check_full_name(full_name)?;
        if let Some(email) = &user.email {
            check_email(email)?;
        }
        let mut tx = self.db().begin().await?;
        let new = people::NewUser {
            name: &user.name,
            full_name,
            email: user.email.as_deref(),
            password_hash: None,
            is_admin: user.admin,
            created_at: self.now(),
            service_of: None,
        };
        let id = people::insert_user(&mut tx, &new).await.map_err(taken)?;
        if user.admin {
            // The hub has its administrator: the set-up link must not make another.
            people::expire_setup_invites(&mut tx, self.now()).await?;
        }
        self.append(&mut tx, None, "user.create", None, Some(id), json!({"name": user.name, "by": "operator"})).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Gives a user a new random password and ends their sessions (the operator's `haina admin user password`).
    pub async fn reset_password(&self, user: &Slug) -> Result<String> {
        let password = self.rng().alphanumeric(20);
        let hash = password::hash(password.clone()).await?;
        let mut tx = self.db().begin().await?;
        let user = self.get_user(&mut tx, user).await?;
        if user.service_of.is_some() {
            return Err(Error::invalid(format!("'{}' is a service account: nobody signs in to it.", user.name)));
        }
        people::set_password(&mut tx, user.id, &hash).await?;
        people::delete_sessions_of_user(&mut tx, user.id).await?;
        self.append(&mut tx, None, "user.password", None, Some(user.id), json!({"by": "operator"})).await?;
        tx.commit().await?;
        Ok(password)
    }

    /// Who may make an account; open unless set otherwise.
    pub async fn signup_mode(&self) -> Result<Signup> {
        let mut s = self.db().read().await?;
        Ok(match meta::find_setting(&mut s, "signup").await? {
            Some(text) => serde_json::from_str(&text).map_err(Error::internal)?,
            None => Signup::Open,
        })
    }

    /// Sets who may make an account.
    pub async fn set_signup_mode(&self, mode: Signup) -> Result<()> {
        let mut tx = self.db().begin().await?;
        let text = serde_json::to_string(&mode).map_err(Error::internal)?;
        meta::put_setting(&mut tx, "signup", &text).await?;
        self.append(&mut tx, None, "setting.change", None, None, json!({"key": "signup", "value": mode})).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Makes an invitation and returns its secret.
    pub async fn invite(&self, email: Option<&str>, valid_days: i64) -> Result<String> {
        let secret = self.rng().alphanumeric(40);
        let mut tx = self.db().begin().await?;
        let now = self.now();
        people::insert_invite(
            &mut tx,
            &secret_hash(&secret),
            people::InvitePurpose::Signup,
            email,
            None,
            now,
            now.plus_seconds(valid_days * 86_400),
        )
        .await?;
        tx.commit().await?;
        Ok(secret)
    }

    /// Makes an account for a person who signs up, and signs them in.
    pub async fn sign_up(&self, form: SignUp) -> Result<NewSession> {
        match (self.signup_mode().await?, &form.invite) {
            (Signup::Open, _) | (Signup::Invite, Some(_)) => {}
            (Signup::Invite, None) => {
                return Err(Error::new(
                    Code::Forbidden,
                    "Signing up needs an invitation. Ask an administrator for one.",
                ));
            }
            (Signup::Closed, _) => {
                return Err(Error::new(Code::Forbidden, "Signing up is closed. Ask an administrator for an account."));
            }
        }
        let purpose = form.invite.is_some().then_some(people::InvitePurpose::Signup);
        self.join(form, purpose).await
    }

    /// The secret of a new set-up link, if the hub has no administrator yet. Links made before stop working.
    pub async fn open_setup(&self) -> Result<Option<String>> {
        let mut s = self.db().read().await?;
        if people::has_admin(&mut s).await? {
            return Ok(None);
        }
        drop(s);
        let mut tx = self.db().begin().await?;
        let secret = self.rng().alphanumeric(40);
        let now = self.now();
        people::expire_setup_invites(&mut tx, now).await?;
        people::insert_invite(
            &mut tx,
            &secret_hash(&secret),
            people::InvitePurpose::Setup,
            None,
            None,
            now,
            now.plus_seconds(SETUP_DAYS * 86_400),
        )
        .await?;
        tx.commit().await?;
        Ok(Some(secret))
    }

    /// Whether this set-up link still works.
    pub async fn setup_open(&self, secret: &str) -> Result<bool> {
        let mut s = self.db().read().await?;
        let invite = people::find_invite_by_hash(&mut s, &secret_hash(secret)).await?;
        Ok(invite.is_some_and(|i| i.purpose == people::InvitePurpose::Setup && i.is_open(self.now())))
    }

    /// Makes the first administrator through the set-up link, once.
    pub async fn complete_setup(&self, secret: &str, form: SignUp) -> Result<NewSession> {
        self.join(SignUp { invite: Some(secret.to_owned()), ..form }, Some(people::InvitePurpose::Setup)).await
    }

    async fn join(&self, form: SignUp, purpose: Option<people::InvitePurpose>) -> Result<NewSession> {
        let name: Slug = form.name.parse().map_err(|e: haina_types::NameError| Error::invalid(e.to_string()))?;
        let full_name = form.full_name.as_deref().map(str::trim).filter(|t| !t.is_empty()).unwrap_or(name.as_str());
        check_full_name(full_name)?;
        if let Some(email) = &form.email {
            check_email(email)?;
        }
        let hash = password::hash(form.password).await?;
        let now: Timestamp = self.now();
        let mut tx = self.db().begin().await?;
        let admin = purpose == Some(people::InvitePurpose::Setup);
        let new = people::NewUser {
            name: &name,
            full_name,
            email: form.email.as_deref(),
            password_hash: Some(&hash),
            is_admin: admin,
            created_at: now,
            service_of: None,
        };
        let id = people::insert_user(&mut tx, &new).await.map_err(taken)?;
        if let (Some(purpose), Some(secret)) = (purpose, &form.invite) {
            let used = people::use_invite(&mut tx, &secret_hash(secret), purpose, id, now).await?;
            if !used {
                return Err(Error::new(
                    Code::Forbidden,
                    "This link was already used or has expired. Ask for a new one.",
                ));
            }
        }
        let by = match purpose {
            None => "sign-up",
            Some(people::InvitePurpose::Signup) => "invitation",
            Some(people::InvitePurpose::Setup) => "set-up",
        };
        self.append(&mut tx, Some(id), "user.create", None, Some(id), json!({"name": name, "by": by})).await?;
        let session = self.new_session(&mut tx, id).await?;
        tx.commit().await?;
        Ok(session)
    }

    /// Appends an event to the ledger, on the caller's transaction.
    pub(crate) async fn append(
        &self,
        s: &mut haina_db::Session,
        actor: Option<i64>,
        kind: &str,
        repo: Option<i64>,
        namespace: Option<i64>,
        data: serde_json::Value,
    ) -> Result<()> {
        let event = ledger::NewEvent { at: self.now(), actor_id: actor, kind, repo_id: repo, ns_id: namespace, data };
        ledger::append_event(s, &event).await?;
        Ok(())
    }
}
