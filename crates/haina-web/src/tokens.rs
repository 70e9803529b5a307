//! `/settings/tokens`: make, see and revoke access tokens.

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_types::{Action, Code, Timestamp, TokenRole, TokenScope};
use http::{HeaderValue, StatusCode, header};

use crate::device::scope_keys;
use crate::form::{Posted, Problem, problem_of};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::query::Query;
use crate::visit::{Answer, Visit, go, render, show};

/// The page of access tokens.
#[derive(Template)]
#[template(path = "tokens.html")]
pub(crate) struct TokensPage {
    pub l: Words,
    pub page: Layout,
    /// The secret just made, shown this once.
    pub created: Option<String>,
    pub login_command: String,
    pub revoked: bool,
    /// Whether an application just lost its access.
    pub ended: bool,
    pub tokens: Vec<Token>,
    pub grants: Vec<Grant>,
    pub problems: Vec<Problem>,
    pub name: String,
    pub role: String,
    pub scopes: String,
    pub scopes_example: String,
    pub namespaces: Vec<Choice>,
    /// After how many days it ends; nothing for never.
    pub days: String,
}

/// A token in the list.
pub(crate) struct Token {
    pub id: i64,
    pub name: String,
    pub hint: String,
    pub role_key: &'static str,
    pub scopes: Vec<Scope>,
    pub created: Timestamp,
    pub used: Option<Timestamp>,
    pub ends: Option<Timestamp>,
}

/// A namespace that a fine-grained token may cover as a whole.
pub(crate) struct Choice {
    pub namespace: String,
    /// `read`, `write`, `admin`, or nothing.
    pub chosen: String,
}

/// An application that has access.
pub(crate) struct Grant {
    pub id: i64,
    pub application: String,
    pub may: Vec<&'static str>,
    pub created: Timestamp,
    pub used: Option<Timestamp>,
}

/// A scope of a fine-grained token.
pub(crate) struct Scope {
    pub entity: String,
    pub action_key: &'static str,
}

impl TokensPage {
    fn scopes_wrong(&self) -> bool {
        problem_of(&self.problems, "scopes").is_some()
    }
}

/// The word for a token's power.
pub(crate) fn role_key(role: &TokenRole) -> &'static str {
    match role {
        TokenRole::Read => "role-read",
        TokenRole::Write => "role-write",
        TokenRole::FineGrained(_) => "role-fine",
    }
}

/// The word for what a scope allows.
pub(crate) fn action_key(action: Action) -> &'static str {
    match action {
        Action::Read => "scope-read",
        Action::Write => "scope-write",
        Action::Admin => "scope-admin",
    }
}

/// The same by the word of the form.
pub(crate) fn word_key(action: &str) -> &'static str {
    match action {
        "write" => action_key(Action::Write),
        "admin" => action_key(Action::Admin),
        _ => action_key(Action::Read),
    }
}

/// The scopes of a fine-grained token, for the list.
pub(crate) fn scopes_of(role: &TokenRole) -> Vec<Scope> {
    match role {
        TokenRole::FineGrained(scopes) => {
            scopes.iter().map(|s| Scope { entity: s.entity.clone(), action_key: action_key(s.action) }).collect()
        }
        TokenRole::Read | TokenRole::Write => Vec::new(),
    }
}

/// Scopes as the form has them: on each line a namespace or repository and, if more than reading, the action.
pub(crate) fn parse_scopes(text: &str) -> Option<Vec<TokenScope>> {
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let scopes: Option<Vec<TokenScope>> = lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let entity = words.next()?.trim_matches('/').to_owned();
            let action = match words.next() {
                None | Some("read") => Action::Read,
                Some("write") => Action::Write,
                Some("admin") => Action::Admin,
                Some(_) => return None,
            };
            (words.next().is_none() && !entity.is_empty()).then_some(TokenScope { entity, action })
        })
        .collect();
    scopes.filter(|s| !s.is_empty())
}

async fn page(app: &App, visit: &Visit) -> Result<TokensPage, haina_types::Error> {
    let tokens = app.list_tokens(visit.caller()).await?;
    let grants = app.list_grants(visit.caller()).await?;
    Ok(TokensPage {
        l: visit.words(),
        page: visit.layout(Section::Settings, true),
        created: None,
        login_command: format!("HF_ENDPOINT={} hf auth login", app.base_url()),
        revoked: false,
        ended: false,
        grants: grants
            .into_iter()
            .map(|g| Grant {
                id: g.id,
                application: g.application,
                may: scope_keys(&g.scopes),
                created: g.created_at,
                used: g.last_used_at,
            })
            .collect(),
        tokens: tokens
            .into_iter()
            .map(|t| Token {
                id: t.id,
                name: t.name,
                hint: t.hint,
                role_key: role_key(&t.role),
                scopes: scopes_of(&t.role),
                created: t.created_at,
                used: t.last_used_at,
                ends: t.expires_at,
            })
            .collect(),
        problems: Vec::new(),
        name: String::new(),
        role: "read".into(),
        scopes: String::new(),
        namespaces: app
            .namespaces_of(visit.caller())
            .await?
            .into_iter()
            .map(|namespace| Choice { namespace, chosen: String::new() })
            .collect(),
        days: String::new(),
        scopes_example: format!("{}/my-model write", visit.viewer().unwrap_or_default()),
    })
}

/// `GET /settings/tokens`
pub(crate) async fn get(State(app): State<App>, visit: Visit, query: Query) -> Answer {
    visit.caller().require_user()?;
    let page = page(&app, &visit).await?;
    show(&TokensPage { revoked: !query.get("revoked").is_empty(), ended: !query.get("ended").is_empty(), ..page })
}

/// The scopes of the form: whole namespaces, and what stands on the lines below them.
fn fine_grained(form: &Posted) -> Option<TokenRole> {
    let mut scopes = match form.get("scopes").trim() {
        "" => Vec::new(),
        text => parse_scopes(text)?,
    };
    for (name, value) in form.all() {
        if let (Some(namespace), false) = (name.strip_prefix("ns:"), value.is_empty()) {
            scopes.extend(parse_scopes(&format!("{namespace} {value}"))?);
        }
    }
    (!scopes.is_empty()).then_some(TokenRole::FineGrained(scopes))
}

async fn make(app: &App, form: &Posted, role: TokenRole) -> Result<haina_app::people::NewToken, haina_types::Error> {
    match form.get("days") {
        "" => app.create_token(form.visit.caller(), form.get("name"), role).await,
        days => {
            let days = days.parse().map_err(|_| haina_types::Error::invalid("The days of a token are a number."))?;
            app.create_token_for_days(form.visit.caller(), form.get("name"), role, days).await
        }
    }
}

/// `POST /settings/tokens`. The answer is the page itself: the secret must stand in no address and in no cookie.
pub(crate) async fn post(State(app): State<App>, form: Posted) -> Answer {
    let visit = &form.visit;
    visit.caller().require_user()?;
    let role = match form.get("role") {
        "write" => Some(TokenRole::Write),
        "fineGrained" => fine_grained(&form),
        _ => Some(TokenRole::Read),
    };
    let problem = match role {
        None => Problem::new("scopes", visit.words().t("problem-scopes")),
        Some(_) if form.text("name").is_none_or(|n| n.chars().count() > 100) => {
            Problem::new("name", visit.words().t("problem-token-name"))
        }
        Some(role) => match make(&app, &form, role).await {
            Ok(token) => {
                let page = TokensPage { created: Some(token.secret), ..page(&app, visit).await? };
                let mut response = render(StatusCode::OK, &page);
                response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                return Ok(response);
            }
            Err(e) if e.code == Code::Invalid => Problem::in_english("", e.message),
            Err(e) => return Err(e.into()),
        },
    };
    let page = TokensPage {
        problems: vec![problem],
        name: form.get("name").to_owned(),
        role: form.get("role").to_owned(),
        scopes: form.get("scopes").to_owned(),
        days: form.get("days").to_owned(),
        ..page(&app, visit).await?
    };
    let chosen = |c: Choice| Choice { chosen: form.get(&format!("ns:{}", c.namespace)).to_owned(), ..c };
    let page = TokensPage { namespaces: page.namespaces.into_iter().map(chosen).collect(), ..page };
    Ok(render(StatusCode::UNPROCESSABLE_ENTITY, &page))
}

/// `POST /settings/tokens/revoke`
pub(crate) async fn revoke(State(app): State<App>, form: Posted) -> Answer {
    let id = form.get("id").parse().map_err(|_| haina_types::Error::invalid("The id of a token is a number."))?;
    app.revoke_token(form.visit.caller(), id).await?;
    Ok(go("/settings/tokens?revoked=1", []))
}

/// `POST /settings/tokens/applications/revoke`
pub(crate) async fn end_grant(State(app): State<App>, form: Posted) -> Answer {
    let id = form.get("id").parse().map_err(|_| haina_types::Error::invalid("The id of a grant is a number."))?;
    app.end_grant(form.visit.caller(), id).await?;
    Ok(go("/settings/tokens?ended=1", []))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_one_a_line() {
        let scopes = parse_scopes("lab/model write\n\n datasets/lab/rows \n").unwrap();
        assert_eq!(scopes[0], TokenScope { entity: "lab/model".into(), action: Action::Write });
        assert_eq!(scopes[1], TokenScope { entity: "datasets/lab/rows".into(), action: Action::Read });
        for bad in ["", "lab destroy", "lab write now", "/"] {
            assert!(parse_scopes(bad).is_none(), "{bad}");
        }
    }
}
