//! A directory: find the person, then sign in there as them.

use std::time::Duration;

use haina_types::{Code, Error, Result};
use ldap3::{LdapConnAsync, LdapConnSettings, Scope, SearchEntry, SearchOptions, ldap_escape};

use super::{Arrival, Claims, Kind, Ldap};
use crate::App;

/// How long a directory may take for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Wrong passwords for one name before a pause.
const TRIES_MAX: u32 = 10;

fn failed(e: impl std::fmt::Display) -> Error {
    Error::new(Code::Unavailable, "The directory cannot be asked just now. Please try again later.")
        .because(format!("a directory: {e}"))
}

fn wrong() -> Error {
    Error::new(Code::BadCredentials, "The name or the password is wrong.")
}

/// A connection, encrypted if the address or StartTLS says so.
async fn connect(ldap: &Ldap) -> Result<ldap3::Ldap> {
    let settings = LdapConnSettings::new().set_conn_timeout(TIMEOUT).set_starttls(ldap.starttls);
    let (connection, mut handle) = LdapConnAsync::with_settings(settings, &ldap.url).await.map_err(failed)?;
    ldap3::drive!(connection);
    handle.with_timeout(TIMEOUT);
    Ok(handle)
}

/// Who is meant by a name; none or several are nobody.
async fn find(ldap: &Ldap, name: &str) -> Result<Option<SearchEntry>> {
    let mut handle = connect(ldap).await?;
    if let Some(dn) = &ldap.bind_dn {
        let bound = handle.simple_bind(dn, ldap.bind_password.as_deref().unwrap_or("")).await.map_err(failed)?;
        bound.success().map_err(failed)?;
    }
    let filter = ldap.filter.replace("{name}", &ldap_escape(name));
    let mut attributes = vec![ldap.name_attribute.as_str(), "cn", "displayName", "mail"];
    attributes.extend(ldap.subject_attribute.as_deref());
    attributes.extend(ldap.groups_attribute.as_deref());
    handle.with_timeout(TIMEOUT).with_search_options(SearchOptions::new().sizelimit(2).timelimit(10));
    let found = handle.search(&ldap.base, Scope::Subtree, &filter, attributes).await.map_err(failed)?;
    let (entries, _) = match found.success() {
        Ok(found) => found,
        // Nothing there (32), or more than the two that were asked for (4).
        Err(ldap3::LdapError::LdapResult { result }) if matches!(result.rc, 4 | 32) => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    // A farewell that is lost does no harm.
    handle.unbind().await.unwrap_or_else(|e| tracing::debug!(error = %e, "a directory was left without a farewell"));
    let mut entries = entries.into_iter().filter(|e| !e.is_ref());
    match (entries.next(), entries.next()) {
        (Some(one), None) => Ok(Some(SearchEntry::construct(one))),
        _ => Ok(None),
    }
}

/// Whether the directory takes the password from this person.
async fn is_theirs(ldap: &Ldap, dn: &str, password: &str) -> Result<bool> {
    let mut handle = connect(ldap).await?;
    let bound = handle.simple_bind(dn, password).await.map_err(failed)?;
    handle.unbind().await.unwrap_or_else(|e| tracing::debug!(error = %e, "a directory was left without a farewell"));
    match bound.rc {
        0 => Ok(true),
        // Wrong password, no such entry, not allowed to sign in, locked.
        49 | 32 | 48 | 53 | 50 | 19 => Ok(false),
        _ => Err(failed(bound)),
    }
}

fn claims_of(ldap: &Ldap, entry: &SearchEntry) -> Result<Claims> {
    let first = |attribute: &str| {
        let of = |(key, values): (&String, &Vec<String>)| {
            key.eq_ignore_ascii_case(attribute).then(|| values.first().cloned()).flatten()
        };
        entry.attrs.iter().find_map(of)
    };
    let subject = match &ldap.subject_attribute {
        None => entry.dn.to_lowercase(),
        Some(attribute) => {
            let raw = entry.bin_attrs.iter().find(|(key, _)| key.eq_ignore_ascii_case(attribute));
            let raw = raw.and_then(|(_, values)| values.first());
            // Such as objectGUID of Active Directory.
            let hex = raw.map(|bytes| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>());
            first(attribute).or(hex).ok_or_else(|| failed(format!("{} has no {attribute}", entry.dn)))?
        }
    };
    let groups = ldap.groups_attribute.as_ref().map(|attribute| {
        let of = entry.attrs.iter().find(|(key, _)| key.eq_ignore_ascii_case(attribute));
        of.map(|(_, values)| values.clone()).unwrap_or_default()
    });
    Ok(Claims {
        subject,
        name: first(&ldap.name_attribute),
        full_name: first("displayName").or_else(|| first("cn")),
        email: first("mail"),
        groups,
    })
}

impl App {
    /// Somebody types the name and password that they have in a directory.
    pub async fn sign_in_by_directory(&self, provider_name: &str, name: &str, password: &str) -> Result<Arrival> {
        let provider_name = provider_name.to_ascii_lowercase();
        let (id, provider) = self.provider(&provider_name).await?;
        let Kind::Ldap(ldap) = &provider.kind else {
            return Err(Error::invalid("This provider takes no password here."));
        };
        let name = name.trim();
        // An empty password is no password: many directories answer it with success (RFC 4513, 5.1.2).
        if name.is_empty() || name.len() > 256 || password.is_empty() || password.len() > 1024 {
            return Err(wrong());
        }
        let (who, now) = (format!("{provider_name}/{}", name.to_lowercase()), self.now());
        let attempts = self.attempts();
        attempts.check("directory", &who, TRIES_MAX, now)?;
        let _turn = self.signin().asking.acquire().await.map_err(Error::internal)?;
        let entry = match find(ldap, name).await? {
            Some(entry) if is_theirs(ldap, &entry.dn, password).await? => entry,
            _ => {
                attempts.miss("directory", &who, now);
                return Err(wrong());
            }
        };
        self.arrive(id, &provider_name, &provider, claims_of(ldap, &entry)?.checked()?).await
    }
}
