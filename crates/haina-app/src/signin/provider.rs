//! Who vouches for people, as the operator sets it up.

use haina_db::identity as db;
use haina_types::{Code, Error, OrgRole, Result, Slug};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::http::checked;
use crate::App;
use crate::secrets::provider_place;

/// Most providers of one hub.
const PROVIDERS_MAX: usize = 50;

/// A provider of OpenID Connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Oidc {
    /// Its address; `/.well-known/openid-configuration` below it describes it.
    pub issuer: String,
    /// What this hub is called there.
    pub client_id: String,
    /// What this hub proves itself with there; a public client has none.
    pub client_secret: Option<String>,
    /// What is asked for.
    pub scopes: String,
    /// The claim that lists a person's groups.
    pub groups_claim: Option<String>,
}

/// A provider of plain OAuth 2, such as GitHub, known by its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuth2 {
    /// Where people are sent.
    pub authorize_url: String,
    /// Where codes are exchanged.
    pub token_url: String,
    /// Where a person is described, as JSON.
    pub userinfo_url: String,
    /// What this hub is called there.
    pub client_id: String,
    /// What this hub proves itself with there.
    pub client_secret: Option<String>,
    /// What is asked for.
    pub scopes: String,
    /// The field of the description that never changes for a person.
    pub subject_field: String,
    /// The field with their user name.
    pub name_field: String,
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ldap {
    /// `ldaps://host` or `ldap://host`.
    pub url: String,
    /// Whether to ask for encryption on `ldap://`.
    pub starttls: bool,
    /// Who looks people up; nobody in particular when absent.
    pub bind_dn: Option<String>,
    /// Their password.
    pub bind_password: Option<String>,
    /// Where people are.
    pub base: String,
    /// How a person is found; `{name}` is what they typed.
    pub filter: String,
    /// The attribute that never changes for a person; their distinguished name when absent.
    pub subject_attribute: Option<String>,
    /// The attribute with their user name.
    pub name_attribute: String,
    /// The attribute that lists their groups.
    pub groups_attribute: Option<String>,
}

/// How a provider is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Kind {
    /// OpenID Connect.
    Oidc(Oidc),
    /// Plain OAuth 2.
    OAuth2(OAuth2),
    /// A directory.
    Ldap(Ldap),
}

/// Who is in this group there is a member of this organization here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRule {
    /// The group, as the provider names it.
    pub group: String,
    /// The organization.
    pub org: Slug,
    /// The role.
    pub role: OrgRole,
}

/// Who vouches for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// Its name for people.
    pub title: String,
    /// Whether whoever it vouches for may make an account, even where signing up is not open.
    pub accounts: bool,
    /// Groups there that are organizations here. Membership in these follows the groups at every sign-in.
    pub groups: Vec<GroupRule>,
    /// How it is asked.
    #[serde(flatten)]
    pub kind: Kind,
}

/// A provider, as people and operators see it in lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSummary {
    /// Its name in addresses.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// `oidc`, `oauth2` or `ldap`.
    pub kind: &'static str,
    /// Where it is.
    pub place: String,
}

impl Provider {
    /// What the hub proves itself with there, by the name of its field.
    pub(crate) fn secret_mut(&mut self) -> (&'static str, &mut Option<String>) {
        match &mut self.kind {
            Kind::Oidc(oidc) => ("client_secret", &mut oidc.client_secret),
            Kind::OAuth2(oauth) => ("client_secret", &mut oauth.client_secret),
            Kind::Ldap(ldap) => ("bind_password", &mut ldap.bind_password),
        }
    }

    fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Oidc(_) => "oidc",
            Kind::OAuth2(_) => "oauth2",
            Kind::Ldap(_) => "ldap",
        }
    }

    fn place(&self) -> &str {
        match &self.kind {
            Kind::Oidc(oidc) => &oidc.issuer,
            Kind::OAuth2(oauth) => &oauth.authorize_url,
            Kind::Ldap(ldap) => &ldap.url,
        }
    }

    /// Checks what the operator wrote.
    fn check(&self) -> Result<()> {
        let title = self.title.trim();
        if title.is_empty() || title.chars().count() > 100 || title.chars().any(char::is_control) {
            return Err(Error::invalid("The title of a provider is one line of 1 to 100 characters."));
        }
        match &self.kind {
            Kind::Oidc(oidc) => {
                checked(&oidc.issuer)?;
                if !oidc.scopes.split_ascii_whitespace().any(|s| s == "openid") {
                    return Err(Error::invalid("The scopes of a provider of OpenID Connect include openid."));
                }
            }
            Kind::OAuth2(oauth) => {
                for url in [&oauth.authorize_url, &oauth.token_url, &oauth.userinfo_url] {
                    checked(url)?;
                }
            }
            Kind::Ldap(ldap) => {
                let url = reqwest::Url::parse(&ldap.url).map_err(|e| Error::invalid(format!("{}: {e}", ldap.url)))?;
                let near = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
                match url.scheme() {
                    "ldaps" | "ldapi" => {}
                    "ldap" if ldap.starttls || near => {}
                    "ldap" => {
                        let words = "Passwords must not travel in the open: use ldaps://, or ldap:// with StartTLS.";
                        return Err(Error::invalid(words));
                    }
                    _ => return Err(Error::invalid("The address of a directory begins with ldaps:// or ldap://.")),
                }
                if !ldap.filter.contains("{name}") || !ldap.filter.starts_with('(') {
                    return Err(Error::invalid("The filter is like (uid={name}): {name} is what the person typed."));
                }
            }
        }
        Ok(())
    }
}

impl App {
    /// Sets up a provider, or changes it (`haina admin provider set`).
    pub async fn set_provider(&self, name: &Slug, provider: &Provider) -> Result<()> {
        provider.check()?;
        let mut tx = self.db().begin().await?;
        for rule in &provider.groups {
            let org = haina_db::people::find_namespace(&mut tx, &rule.org.fold()).await?.filter(|n| n.is_org());
            org.ok_or_else(|| Error::new(Code::NotFound, format!("There is no organization '{}'.", rule.org)))?;
        }
        let name = name.fold();
        let mut sealed = provider.clone();
        let (field, secret) = sealed.secret_mut();
        if let Some(text) = secret {
            *text = self.vault().seal(&mut tx, &provider_place(&name, field), text.as_bytes()).await?;
        }
        let config = serde_json::to_string(&sealed).map_err(Error::internal)?;
        if !db::change_provider(&mut tx, &name, &config).await? {
            if db::list_providers(&mut tx).await?.len() >= PROVIDERS_MAX {
                return Err(Error::invalid(format!("There are at most {PROVIDERS_MAX} providers.")));
            }
            db::insert_provider(&mut tx, &name, &config, self.now()).await?;
        }
        let data = json!({"provider": name, "kind": provider.kind_name(), "place": provider.place()});
        self.append(&mut tx, None, "provider.set", None, None, data).await?;
        Ok(tx.commit().await?)
    }

    /// Forgets a provider and whom it vouched for (`haina admin provider remove`).
    pub async fn remove_provider(&self, name: &Slug) -> Result<()> {
        let name = name.fold();
        let mut tx = self.db().begin().await?;
        if !db::delete_provider(&mut tx, &name).await? {
            return Err(Error::new(Code::NotFound, format!("There is no provider '{name}'.")));
        }
        self.append(&mut tx, None, "provider.remove", None, None, json!({"provider": name})).await?;
        Ok(tx.commit().await?)
    }

    /// The providers that people may come by.
    pub async fn list_providers(&self) -> Result<Vec<ProviderSummary>> {
        let mut s = self.db().read().await?;
        let rows = db::list_providers(&mut s).await?;
        let summary = |row: db::Provider| {
            let provider = read(&row)?;
            let (kind, place) = (provider.kind_name(), provider.place().to_owned());
            Ok(ProviderSummary { name: row.name, title: provider.title, kind, place })
        };
        rows.into_iter().map(summary).collect()
    }

    /// A provider by its name in addresses, and its row.
    pub(super) async fn provider(&self, name: &str) -> Result<(i64, Provider)> {
        let row = {
            let mut s = self.db().read().await?;
            db::find_provider(&mut s, &name.to_ascii_lowercase()).await?
        };
        let row = row.ok_or_else(|| Error::new(Code::NotFound, "There is no such way to sign in."))?;
        Ok((row.id, self.open_provider(&row)?))
    }

    pub(super) async fn provider_by_id(&self, id: i64) -> Result<(String, Provider)> {
        let row = {
            let mut s = self.db().read().await?;
            db::find_provider_by_id(&mut s, id).await?
        };
        let row = row.ok_or_else(|| Error::new(Code::NotFound, "There is no such way to sign in."))?;
        let provider = self.open_provider(&row)?;
        Ok((row.name, provider))
    }

    /// With what the hub proves itself with there.
    fn open_provider(&self, row: &db::Provider) -> Result<Provider> {
        let mut provider = read(row)?;
        let (field, secret) = provider.secret_mut();
        if let Some(text) = secret {
            *text = self.vault().open_text(&provider_place(&row.name, field), text)?;
        }
        Ok(provider)
    }

    /// The title and kind of a provider, for its page.
    pub async fn provider_summary(&self, name: &str) -> Result<ProviderSummary> {
        let (_, provider) = self.provider(name).await?;
        let (kind, place) = (provider.kind_name(), provider.place().to_owned());
        Ok(ProviderSummary { name: name.to_ascii_lowercase(), title: provider.title, kind, place })
    }
}

/// As it rests: what the hub proves itself with is sealed.
fn read(row: &db::Provider) -> Result<Provider> {
    serde_json::from_str(&row.config).map_err(|e| Error::internal(format!("provider {}: {e}", row.name)))
}
