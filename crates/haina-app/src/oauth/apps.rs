//! Applications that people and operators register.

use haina_db::oauth as db;
use haina_types::{Code, Error, Result, Timestamp};
use reqwest::Url;
use serde_json::json;

use super::Scopes;
use crate::people::secret_hash;
use crate::{App as Hub, Caller};

/// Most applications of one user.
const APPS_MAX: usize = 50;
/// Most addresses of one application.
const URIS_MAX: usize = 20;
/// Longest address, in bytes.
pub(super) const URI_BYTES_MAX: usize = 2000;
/// What an application gets when it asks for nothing in particular.
const SCOPE: &str = "openid profile";

/// An application to register.
#[derive(Debug, Clone, Default)]
pub struct NewApp {
    /// Its name for people.
    pub name: String,
    /// Where it may be answered.
    pub redirect_uris: Vec<String>,
    /// Whether it can keep a secret.
    pub confidential: bool,
    /// Whether it may ask through the device flow.
    pub device: bool,
    /// The id that it has built in, which only operators give.
    pub client_id: Option<String>,
    /// What it gets when it asks for nothing in particular.
    pub scope: Option<String>,
}

/// A registered application.
#[derive(Debug, Clone)]
pub struct App {
    /// What it calls itself by.
    pub client_id: String,
    /// Its name for people.
    pub name: String,
    /// Where it may be answered.
    pub redirect_uris: Vec<String>,
    /// Whether it has a secret.
    pub confidential: bool,
    /// Whether it may ask through the device flow.
    pub device: bool,
    /// Since when.
    pub created_at: Timestamp,
}

impl From<db::Client> for App {
    fn from(c: db::Client) -> Self {
        Self {
            client_id: c.client_id,
            name: c.name,
            redirect_uris: c.redirect_uris,
            confidential: c.secret_hash.is_some(),
            device: c.device,
            created_at: c.created_at,
        }
    }
}

/// An application just registered; the secret is not kept.
#[derive(Debug, Clone)]
pub struct RegisteredApp {
    /// What it calls itself by.
    pub client_id: String,
    /// What it proves itself with.
    pub client_secret: Option<String>,
}

/// Whether an address is on this machine itself.
pub(super) fn is_loopback(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// Checks where an application wants to be answered: encrypted, on the same machine, or by a scheme of its own.
fn check_redirect_uri(text: &str) -> Result<()> {
    let wrong = |why: &str| Err(Error::invalid(format!("The address '{text}' cannot be answered: {why}.")));
    if text.len() > URI_BYTES_MAX || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::invalid(format!("An address has at most {URI_BYTES_MAX} visible ASCII characters.")));
    }
    let Ok(url) = Url::parse(text) else { return wrong("it is no absolute URL") };
    if url.fragment().is_some() {
        return wrong("it must have no fragment (#…)");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("it must hold no user name or password");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => wrong("it must begin with https://, except on the same machine"),
        // RFC 8252, 7.1: a scheme of one's own has a dot, as domain names have.
        scheme if scheme.contains('.') && !url.has_authority() => Ok(()),
        _ => wrong("its scheme must be https, or a reversed domain name such as org.example.app:/answer"),
    }
}

impl Hub {
    /// Registers an application of the caller's.
    pub async fn register_app(&self, caller: &Caller, new: NewApp) -> Result<RegisteredApp> {
        let user = caller.require_person()?.id;
        if new.client_id.is_some() {
            return Err(Error::new(Code::Forbidden, "Only the operator chooses the id of an application."));
        }
        self.insert_app(new, Some(user)).await
    }

    /// Registers an application of the operator's (`haina admin app add`).
    pub async fn add_app(&self, new: NewApp) -> Result<RegisteredApp> {
        self.insert_app(new, None).await
    }

    async fn insert_app(&self, new: NewApp, owner: Option<i64>) -> Result<RegisteredApp> {
        let name = new.name.trim();
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(Error::invalid("The name of an application is one line of 1 to 100 characters."));
        }
        if new.redirect_uris.len() > URIS_MAX {
            return Err(Error::invalid(format!("An application has at most {URIS_MAX} addresses.")));
        }
        if new.redirect_uris.is_empty() && !new.device {
            return Err(Error::invalid("An application needs an address to be answered at, or the device flow."));
        }
        for uri in &new.redirect_uris {
            check_redirect_uri(uri)?;
        }
        let scope = match &new.scope {
            None => SCOPE.to_owned(),
            Some(text) if !Scopes::parse(text).is_empty() => Scopes::parse(text).to_string(),
            Some(_) => return Err(Error::invalid("None of these scopes exists.")),
        };
        let client_id = match new.client_id {
            Some(id) if (8..=100).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => {
                id
            }
            Some(_) => return Err(Error::invalid("The id of an application has 8 to 100 letters, digits and '-'.")),
            None => self.rng().alphanumeric(32),
        };
        let client_secret = new.confidential.then(|| format!("hfo_{}", self.rng().alphanumeric(43)));
        let hash = client_secret.as_deref().map(secret_hash);
        let mut tx = self.db().begin().await?;
        if let Some(owner) = owner
            && db::list_clients_of(&mut tx, owner).await?.len() >= APPS_MAX
        {
            return Err(Error::invalid(format!("A user has at most {APPS_MAX} applications: remove one first.")));
        }
        let row = db::NewClient {
            client_id: &client_id,
            name,
            redirect_uris: &new.redirect_uris,
            scope: &scope,
            secret_hash: hash.as_ref(),
            device: new.device,
            owner_id: owner,
            created_at: self.now(),
        };
        db::insert_client(&mut tx, &row).await.map_err(|e| match e {
            haina_db::Error::Conflict(_) => Error::new(Code::Conflict, "There is an application with this id already."),
            e => e.into(),
        })?;
        let data = json!({"application": client_id, "name": name});
        self.append(&mut tx, owner, "oauth.app.create", None, owner, data).await?;
        tx.commit().await?;
        Ok(RegisteredApp { client_id, client_secret })
    }

    /// The applications that the caller registered.
    pub async fn list_apps(&self, caller: &Caller) -> Result<Vec<App>> {
        let user = caller.require_user()?;
        let mut s = self.db().read().await?;
        Ok(db::list_clients_of(&mut s, user.id).await?.into_iter().map(App::from).collect())
    }

    /// Every application, for the operator.
    pub async fn list_all_apps(&self) -> Result<Vec<App>> {
        let mut s = self.db().read().await?;
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let page = db::list_clients(&mut s, after, 500).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = last.id;
            all.extend(page.into_iter().map(App::from));
        }
    }

    async fn own_app(&self, caller: &Caller, client_id: &str) -> Result<(i64, db::Client)> {
        let user = caller.require_person()?.id;
        let mut s = self.db().read().await?;
        let found = db::find_client(&mut s, client_id).await?.filter(|c| c.owner_id == Some(user));
        Ok((user, found.ok_or_else(|| Error::new(Code::NotFound, "There is no such application."))?))
    }

    async fn delete_app(&self, client: &db::Client, actor: Option<i64>) -> Result<()> {
        let mut tx = self.db().begin().await?;
        db::delete_client(&mut tx, client, self.now()).await?;
        let data = json!({"application": client.client_id, "name": client.name});
        self.append(&mut tx, actor, "oauth.app.delete", None, client.owner_id, data).await?;
        Ok(tx.commit().await?)
    }

    /// Removes an application of the caller's with everything that was issued to it.
    pub async fn remove_own_app(&self, caller: &Caller, client_id: &str) -> Result<()> {
        let (user, client) = self.own_app(caller, client_id).await?;
        self.delete_app(&client, Some(user)).await
    }

    /// Removes an application (`haina admin app remove`).
    pub async fn remove_app(&self, client_id: &str) -> Result<()> {
        let found = {
            let mut s = self.db().read().await?;
            db::find_client(&mut s, client_id).await?
        };
        let client = found.ok_or_else(|| Error::new(Code::NotFound, "There is no such application."))?;
        self.delete_app(&client, None).await
    }

    /// A new secret for an application of the caller's that has one; the old one ends.
    pub async fn renew_app_secret(&self, caller: &Caller, client_id: &str) -> Result<String> {
        let (user, client) = self.own_app(caller, client_id).await?;
        let secret = format!("hfo_{}", self.rng().alphanumeric(43));
        let mut tx = self.db().begin().await?;
        if !db::set_client_secret(&mut tx, &client.client_id, &secret_hash(&secret)).await? {
            return Err(Error::invalid("This application is public: it has no secret."));
        }
        let data = json!({"application": client.client_id});
        self.append(&mut tx, Some(user), "oauth.app.secret", None, Some(user), data).await?;
        tx.commit().await?;
        Ok(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_encrypted_or_near() {
        for good in [
            "https://app.example/cb?x=1",
            "http://localhost:8080/cb",
            "http://127.0.0.1/cb",
            "http://[::1]/cb",
            "org.example.app:/answer",
        ] {
            check_redirect_uri(good).unwrap();
        }
        for bad in [
            "http://app.example/cb",
            "https://app.example/#x",
            "https://me:pw@app.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "/cb",
            "https://例.example/",
            "https://a b/",
            "myapp:/cb",
            "org.example.app://evil.example/",
            "",
        ] {
            assert!(check_redirect_uri(bad).is_err(), "{bad}");
        }
    }
}
