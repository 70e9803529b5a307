//! `haina admin provider …`: by whose accounts people may sign in besides a password.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use haina_app::signin::{GroupRule, Kind, Ldap, OAuth2, Oidc, Provider};
use haina_types::{OrgRole, Slug};

use crate::{Store, print, say};

/// Sign-in by an institution's own accounts.
#[derive(Subcommand)]
pub enum Providers {
    /// Set up or change a provider of OpenID Connect (Keycloak and its kin). Register this address there:
    /// URL/login/callback/NAME.
    Oidc {
        #[command(flatten)]
        common: Common,
        /// Its address, to the letter of its description.
        #[arg(long, value_name = "URL")]
        issuer: String,
        /// What this hub is called there.
        #[arg(long, value_name = "ID")]
        client_id: String,
        /// The file with what this hub proves itself with there.
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
        /// What is asked for.
        #[arg(long, default_value = "openid profile email")]
        scopes: String,
        /// The claim that lists a person's groups.
        #[arg(long, value_name = "CLAIM")]
        groups_claim: Option<String>,
    },
    /// Set up or change a provider of plain OAuth 2 (GitHub and its kin). Register this address there:
    /// URL/login/callback/NAME.
    Oauth2 {
        #[command(flatten)]
        common: Common,
        /// Where people are sent.
        #[arg(long, value_name = "URL")]
        authorize_url: String,
        /// Where codes are exchanged.
        #[arg(long, value_name = "URL")]
        token_url: String,
        /// Where a person is described, as JSON.
        #[arg(long, value_name = "URL")]
        userinfo_url: String,
        /// What this hub is called there.
        #[arg(long, value_name = "ID")]
        client_id: String,
        /// The file with what this hub proves itself with there.
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
        /// What is asked for.
        #[arg(long, default_value = "")]
        scopes: String,
        /// The field of the description that never changes for a person.
        #[arg(long, default_value = "id")]
        subject_field: String,
        /// The field with their user name.
        #[arg(long, default_value = "login")]
        name_field: String,
    },
    /// Set up or change a directory.
    Ldap {
        #[command(flatten)]
        common: Common,
        /// ldaps://host or ldap://host.
        #[arg(long)]
        url: String,
        /// Ask for encryption on ldap://.
        #[arg(long)]
        starttls: bool,
        /// Who looks people up; nobody in particular without it.
        #[arg(long, value_name = "DN")]
        bind_dn: Option<String>,
        /// The file with their password.
        #[arg(long, value_name = "FILE", requires = "bind_dn")]
        bind_password_file: Option<PathBuf>,
        /// Where people are.
        #[arg(long, value_name = "DN")]
        base: String,
        /// How a person is found; {name} is what they typed.
        #[arg(long, default_value = "(uid={name})")]
        filter: String,
        /// The attribute that never changes for a person, such as entryUUID or objectGUID; without it their
        /// distinguished name.
        #[arg(long, value_name = "ATTRIBUTE")]
        subject_attribute: Option<String>,
        /// The attribute with their user name.
        #[arg(long, default_value = "uid")]
        name_attribute: String,
        /// The attribute that lists their groups, such as memberOf.
        #[arg(long, value_name = "ATTRIBUTE")]
        groups_attribute: Option<String>,
    },
    /// List the providers: name, kind, title, address.
    List {
        #[command(flatten)]
        store: Store,
    },
    /// Forget a provider and whom it vouched for. Accounts stay.
    Remove {
        /// Its name.
        name: Slug,
        #[command(flatten)]
        store: Store,
    },
}

/// What every provider has.
#[derive(Args)]
pub struct Common {
    /// Its name in addresses.
    name: Slug,
    /// Its name for people.
    #[arg(long)]
    title: String,
    /// Whoever it vouches for may make an account, even where signing up is not open.
    #[arg(long)]
    accounts: bool,
    /// GROUP=ORGANIZATION:ROLE: who is in this group there has this role in that organization here. Membership in it
    /// then follows the groups at every sign-in; administrators stay. May be given several times.
    #[arg(long = "group", value_name = "RULE", value_parser = rule)]
    groups: Vec<GroupRule>,
    #[command(flatten)]
    store: Store,
}

fn rule(text: &str) -> Result<GroupRule, String> {
    // Groups of directories have '=' in their names themselves.
    let (group, rest) = text.rsplit_once('=').ok_or("a rule is like staff=lab:write")?;
    let (org, role) = rest.split_once(':').ok_or("a rule is like staff=lab:write")?;
    let org = org.parse::<Slug>().map_err(|e| e.to_string())?;
    let role = role.parse::<OrgRole>().map_err(|()| "a role is read, contributor, write or admin".to_owned())?;
    Ok(GroupRule { group: group.to_owned(), org, role })
}

fn secret(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let Some(file) = file else { return Ok(None) };
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    anyhow::ensure!(!text.trim().is_empty(), "{} is empty", file.display());
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

impl Providers {
    /// Does it.
    pub async fn run(self) -> anyhow::Result<()> {
        let (common, kind) = match self {
            Self::Oidc { common, issuer, client_id, secret_file, scopes, groups_claim } => {
                let client_secret = secret(secret_file.as_deref())?;
                (common, Kind::Oidc(Oidc { issuer, client_id, client_secret, scopes, groups_claim }))
            }
            Self::Oauth2 {
                common,
                authorize_url,
                token_url,
                userinfo_url,
                client_id,
                secret_file,
                scopes,
                subject_field,
                name_field,
            } => {
                let client_secret = secret(secret_file.as_deref())?;
                let kind = OAuth2 {
                    authorize_url,
                    token_url,
                    userinfo_url,
                    client_id,
                    client_secret,
                    scopes,
                    subject_field,
                    name_field,
                };
                (common, Kind::OAuth2(kind))
            }
            Self::Ldap {
                common,
                url,
                starttls,
                bind_dn,
                bind_password_file,
                base,
                filter,
                subject_attribute,
                name_attribute,
                groups_attribute,
            } => {
                let bind_password = secret(bind_password_file.as_deref())?;
                let kind = Ldap {
                    url,
                    starttls,
                    bind_dn,
                    bind_password,
                    base,
                    filter,
                    subject_attribute,
                    name_attribute,
                    groups_attribute,
                };
                (common, Kind::Ldap(kind))
            }
            Self::List { store } => {
                for provider in store.open_existing().await?.list_providers().await? {
                    print(&format!("{}\t{}\t{}\t{}", provider.name, provider.kind, provider.title, provider.place));
                }
                return Ok(());
            }
            Self::Remove { name, store } => {
                store.open_existing().await?.remove_provider(&name).await?;
                say(&format!("People no longer sign in by {name}."));
                return Ok(());
            }
        };
        let provider = Provider { title: common.title, accounts: common.accounts, groups: common.groups, kind };
        common.store.open_existing().await?.set_provider(&common.name, &provider).await?;
        say(&format!("People may now sign in by {}.", common.name));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_name_group_organization_and_role() {
        let found = rule("cn=staff,dc=example=lab:write").unwrap();
        assert_eq!(
            (found.group.as_str(), found.org.as_str(), found.role),
            ("cn=staff,dc=example", "lab", OrgRole::Write)
        );
        for bad in ["", "staff", "staff=lab", "staff=lab:owner", "staff=a b:read"] {
            assert!(rule(bad).is_err(), "{bad}");
        }
    }
}
