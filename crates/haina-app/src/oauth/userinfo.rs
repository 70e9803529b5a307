//! What an application may know of a person: the claims of id tokens and of `/oauth/userinfo`.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use haina_db::oauth as db;
use haina_db::people::{self, User};
use haina_types::{Code, Error, OrgRole, Result, TokenRole};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Scope, Scopes};
use crate::{App, Caller};

/// How long an id token is good for, in seconds: it is read at once.
const SECONDS: i64 = 3600;

/// What an application may know of a person; what its scopes do not cover is absent.
#[derive(Debug, Clone)]
pub struct UserInfo {
    /// Their id, which stays when they are renamed.
    pub sub: String,
    /// User name, name for people: with `profile`.
    pub profile: Option<(String, String)>,
    /// E-mail address: with `email`. Addresses are not verified.
    pub email: Option<String>,
    /// Their organizations: with `profile`.
    pub orgs: Vec<OrgClaims>,
}

/// An organization of the person.
#[derive(Debug, Clone)]
pub struct OrgClaims {
    /// Its id.
    pub sub: String,
    /// Its name.
    pub preferred_username: String,
    /// Its name for people.
    pub name: String,
    /// Their role there.
    pub role: OrgRole,
}

/// The id of a user or organization, as everywhere in the API.
fn public_id(id: i64) -> String {
    format!("{id:024x}")
}

impl App {
    async fn claims(&self, user: &User, scopes: &Scopes) -> Result<UserInfo> {
        let profile = scopes.has(Scope::Profile);
        let orgs = match profile {
            false => Vec::new(),
            true => {
                let mut s = self.db().read().await?;
                people::list_orgs_of_user(&mut s, user.id).await?
            }
        };
        Ok(UserInfo {
            sub: public_id(user.id),
            profile: profile.then(|| (user.name.to_string(), user.full_name.clone())),
            email: user.email.clone().filter(|_| scopes.has(Scope::Email)),
            orgs: orgs
                .into_iter()
                .map(|(org, role)| OrgClaims {
                    sub: public_id(org.id),
                    preferred_username: org.name.to_string(),
                    name: org.full_name,
                    role,
                })
                .collect(),
        })
    }

    /// Who the person behind an access token is, as far as it may tell.
    pub async fn userinfo(&self, caller: &Caller) -> Result<UserInfo> {
        let user = caller.require_user()?;
        let own = match caller.token_info() {
            Some(token) if token.grant.is_some() => None,
            Some(token) if matches!(token.role, TokenRole::FineGrained(_)) => Some("openid profile"),
            _ => Some("openid profile email"),
        };
        let scopes = match (own, caller.token_info().and_then(|t| t.grant)) {
            (None, Some(grant)) => self.scopes_of_grant(grant).await?,
            (own, _) => Scopes::parse(own.unwrap_or_default()),
        };
        if !scopes.has(Scope::OpenId) {
            return Err(Error::new(Code::Forbidden, "This needs an access token with the scope openid."));
        }
        self.claims(user, &scopes).await
    }

    /// A signed statement for one application of who the person is.
    pub(super) async fn id_token(
        &self,
        client: &db::Client,
        user: &User,
        scopes: &Scopes,
        nonce: Option<&str>,
        access_token: &str,
    ) -> Result<String> {
        let now = self.now().seconds();
        let mut claims = self.claims(user, scopes).await?.to_json(self.base_url());
        let half = &Sha256::digest(access_token.as_bytes())[..16];
        let more = json!({
            "iss": self.base_url(),
            "aud": client.client_id,
            "iat": now,
            "exp": now + SECONDS,
            "at_hash": BASE64_URL_SAFE_NO_PAD.encode(half),
        });
        if let (Some(claims), serde_json::Value::Object(more)) = (claims.as_object_mut(), more) {
            claims.extend(more);
            if let Some(nonce) = nonce {
                claims.insert("nonce".into(), nonce.into());
            }
        }
        self.sign_jwt(&claims).await
    }
}

impl UserInfo {
    /// As applications read it: the names of OpenID Connect, and those that the Hub's applications know.
    pub fn to_json(&self, base_url: &str) -> serde_json::Value {
        let mut out = json!({"sub": self.sub});
        let picture = |name: &str| format!("{base_url}/api/avatars/{name}");
        let Some(claims) = out.as_object_mut() else { return out };
        if let Some((name, full_name)) = &self.profile {
            let org = |o: &OrgClaims| {
                json!({
                    "sub": o.sub,
                    "name": o.name,
                    "preferred_username": o.preferred_username,
                    "picture": picture(&o.preferred_username),
                    "roleInOrg": o.role,
                })
            };
            claims.extend([
                ("name".to_owned(), json!(full_name)),
                ("preferred_username".to_owned(), json!(name)),
                ("profile".to_owned(), json!(format!("{base_url}/{name}"))),
                ("picture".to_owned(), json!(picture(name))),
                ("isPro".to_owned(), json!(false)),
                ("orgs".to_owned(), json!(self.orgs.iter().map(org).collect::<Vec<_>>())),
            ]);
        }
        if let Some(email) = &self.email {
            claims.insert("email".into(), json!(email));
            claims.insert("email_verified".into(), json!(false));
        }
        out
    }
}
