//! Jobs that publish without a secret (RFC 8693): their own provider's signed statement becomes a token for one
//! repository. GitHub Actions and GitLab sign such statements; the Hub's client sends them.

use haina_db::oauth as db;
use haina_db::{people, repos};
use haina_types::{Action, Error, RepoKind, RepoPath, Result, Slug, TokenRole, TokenScope};
use serde_json::json;

use super::{Answer, Failure, Refusal, TokenAnswer, TokenRequest};
use crate::people::{RANDOM_CHARS, secret_hash};
use crate::{App, Caller};

/// How long such a token works, in seconds.
const SECONDS: i64 = 3600;
/// How long a rule counts, in seconds: ten years, or until it is revoked on the page of tokens.
const RULE_SECONDS: i64 = 3650 * 86_400;
/// Most rules of one repository.
const RULES_MAX: usize = 50;

/// Which jobs may publish to a repository.
#[derive(Debug, Clone)]
pub struct NewPublisher {
    /// In whose name; their own rights are the ceiling.
    pub user: Slug,
    /// What the repository holds.
    pub kind: RepoKind,
    /// The repository.
    pub path: RepoPath,
    /// Who signs the statements.
    pub issuer: String,
    /// About whom; a `*` at the end stands for anything.
    pub subject: String,
}

/// Whether a subject is one that a rule names.
fn fits(rule: &str, subject: &str) -> bool {
    match rule.strip_suffix('*') {
        Some(begin) => subject.starts_with(begin),
        None => subject == rule,
    }
}

/// A repository as a resource: `namespace/name` with the plural of its kind before it, except for models.
fn parse(resource: &str) -> Option<(RepoKind, RepoPath)> {
    match resource.split_once('/') {
        Some((plural, rest)) if rest.contains('/') => Some((RepoKind::from_plural(plural)?, rest.parse().ok()?)),
        _ => Some((RepoKind::Model, resource.parse().ok()?)),
    }
}

fn refused() -> Failure {
    Refusal::new("invalid_grant", "The statement does not fit a rule of this repository, or could not be believed.")
        .into()
}

impl App {
    /// Lets jobs publish to a repository (`haina admin publisher add`).
    pub async fn add_publisher(&self, new: NewPublisher) -> Result<()> {
        let user = {
            let mut s = self.db().read().await?;
            people::find_user(&mut s, &new.user.fold()).await?
        };
        let user = user.ok_or_else(|| Error::invalid(format!("There is no user '{}'.", new.user)))?;
        let access = self.write(&Caller::person(user.clone()), new.kind, &new.path).await?;
        crate::signin::check_address(&new.issuer)?;
        if new.subject.len() < 4 || new.subject.len() > 1000 || new.subject.trim_end_matches('*').len() < 4 {
            return Err(Error::invalid("The subject is what the statements are about, such as repo:lab/code:*."));
        }
        let now = self.now();
        let mut tx = self.db().begin().await?;
        if db::list_publishers(&mut tx, access.repo().id).await?.len() >= RULES_MAX {
            return Err(Error::invalid(format!("A repository has at most {RULES_MAX} rules: revoke one first.")));
        }
        let name: String =
            format!("{} → {}{}", new.subject, new.kind.url_prefix(), new.path).chars().take(100).collect();
        let client_id = format!("publisher-{}", self.rng().alphanumeric(24));
        let row = db::NewClient {
            client_id: &client_id,
            name: &name,
            redirect_uris: &[],
            scope: "",
            secret_hash: None,
            device: false,
            owner_id: None,
            created_at: now,
        };
        let client = db::insert_client(&mut tx, &row).await?;
        let grant = db::insert_grant(&mut tx, client, user.id, "", now, now.plus_seconds(RULE_SECONDS)).await?;
        db::insert_publisher(&mut tx, grant, access.repo().id, &new.issuer, &new.subject, now).await?;
        let data = json!({"grant": grant, "issuer": new.issuer, "subject": new.subject});
        let repo = access.repo();
        self.append(&mut tx, None, "publisher.add", Some(repo.id), Some(repo.namespace.id), data).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn exchange_statement(&self, request: &TokenRequest) -> Answer<TokenAnswer> {
        let need = |value: &Option<String>, name: &str| {
            let value = value.clone().filter(|v| !v.is_empty() && v.len() <= 32 << 10);
            value
                .ok_or_else(|| Refusal::new("invalid_request", format!("The parameter {name} is missing or too long.")))
        };
        let statement = need(&request.subject_token, "subject_token")?;
        let kind = need(&request.subject_token_type, "subject_token_type")?;
        if !matches!(
            kind.as_str(),
            "urn:ietf:params:oauth:token-type:id_token" | "urn:ietf:params:oauth:token-type:jwt"
        ) {
            let words = "The only subject_token_type is urn:ietf:params:oauth:token-type:id_token.";
            return Err(Refusal::new("invalid_request", words).into());
        }
        let resource = need(&request.resource, "resource")?;
        let (kind, path) = parse(&resource).ok_or_else(|| {
            Refusal::new("invalid_target", "The resource is a repository: namespace/name or datasets/namespace/name.")
        })?;
        let rules = {
            let mut s = self.db().read().await?;
            match repos::find_repo(&mut s, kind, &path.namespace.fold(), &path.name.fold()).await? {
                Some(repo) => db::list_publishers(&mut s, repo.id).await?,
                None => Vec::new(),
            }
        };
        // Only providers that a rule names are ever asked for their keys.
        let claimed = crate::signin::unverified_issuer(&statement).ok_or_else(refused)?;
        if !rules.iter().any(|r| r.issuer == claimed) {
            return Err(refused());
        }
        let claims = match self.verify_statement(&claimed, &statement, self.base_url()).await {
            Ok(claims) => claims,
            Err(e) if e.code == haina_types::Code::Forbidden => {
                tracing::info!(cause = %e.chain(), "a statement for publishing was refused");
                return Err(refused());
            }
            Err(e) => return Err(e.into()),
        };
        let subject = claims["sub"].as_str().unwrap_or_default();
        let rule = rules.iter().find(|r| r.issuer == claimed && fits(&r.subject, subject)).ok_or_else(refused)?;
        let now = self.now();
        let mut tx = self.db().begin().await?;
        let grant = db::find_grant(&mut tx, rule.grant_id).await?.filter(|g| g.revoked_at.is_none());
        let grant = grant.ok_or_else(refused)?;
        let user = self.granting_user(&mut tx, grant.user_id).await?;
        let access_token = format!("hf_{}", self.rng().alphanumeric(RANDOM_CHARS));
        let entity = format!("{}{path}", kind.url_prefix());
        let new = people::NewToken {
            user_id: user.id,
            name: &grant.client.name,
            hash: &secret_hash(&access_token),
            hint: &access_token[access_token.len() - 4..],
            role: &TokenRole::FineGrained(vec![TokenScope { entity, action: Action::Write }]),
            created_at: now,
            expires_at: Some(now.plus_seconds(SECONDS)),
            grant_id: Some(grant.id),
        };
        people::insert_token(&mut tx, &new).await?;
        let data = json!({"grant": grant.id, "subject": subject.chars().take(200).collect::<String>()});
        self.append(&mut tx, Some(user.id), "publisher.token", None, Some(user.id), data).await?;
        tx.commit().await?;
        Ok(TokenAnswer {
            access_token,
            expires_in: SECONDS,
            refresh_token: None,
            scope: "write-repos".to_owned(),
            id_token: None,
            is_exchanged: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_name_subjects() {
        assert!(fits("repo:lab/code:ref:refs/heads/main", "repo:lab/code:ref:refs/heads/main"));
        assert!(fits("repo:lab/code:*", "repo:lab/code:ref:refs/tags/v1"));
        assert!(!fits("repo:lab/code:*", "repo:lab/code-evil:ref:refs/heads/main"));
        assert!(!fits("repo:lab/code", "repo:lab/code:x"));
        assert_eq!(parse("datasets/lab/rows").unwrap().0, RepoKind::Dataset);
        assert_eq!(parse("lab/model").unwrap().0, RepoKind::Model);
        assert!(parse("alice").is_none() && parse("x/a/b/c").is_none());
    }
}
