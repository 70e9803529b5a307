//! `/settings/organizations/{name}/services`: an organization's service accounts and their tokens.

use askama::Template;
use axum::extract::{Path, State};
use haina_app::App;
use haina_app::gate::OrgAdmin;
use haina_app::people::Service;
use haina_types::{Code, Error, OrgRole, Slug, Timestamp, TokenRole};
use http::{HeaderValue, StatusCode, header};

use crate::form::{Posted, Problem};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::orgs::ROLES;
use crate::profile::role_key;
use crate::query::Query;
use crate::usage::org_of;
use crate::visit::{Answer, Visit, go, render, show};

/// The page of service accounts.
#[derive(Template)]
#[template(path = "services.html")]
pub(crate) struct ServicesPage {
    pub l: Words,
    pub page: Layout,
    pub org: String,
    pub saved: bool,
    /// The secret just made, shown this once.
    pub created: Option<String>,
    pub services: Vec<Account>,
    pub problems: Vec<Problem>,
    pub name: String,
}

/// A service account.
pub(crate) struct Account {
    pub name: String,
    pub full_name: String,
    pub role_key: &'static str,
    pub tokens: Vec<Token>,
}

/// One of its tokens.
pub(crate) struct Token {
    pub id: i64,
    pub name: String,
    pub hint: String,
    pub role_key: &'static str,
    pub ends: Option<Timestamp>,
}

impl ServicesPage {
    /// All roles but the strongest.
    fn roles(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        ROLES.into_iter().filter(|r| *r != OrgRole::Admin).map(|role| (role.as_str(), role_key(role)))
    }

    fn action(&self) -> String {
        format!("/settings/organizations/{}/services", self.org)
    }
}

fn account(service: Service) -> Account {
    Account {
        name: service.name.to_string(),
        full_name: service.full_name,
        role_key: service.role.map_or("member-read", role_key),
        tokens: service
            .tokens
            .into_iter()
            .map(|t| Token {
                id: t.id,
                name: t.name,
                hint: t.hint,
                role_key: crate::tokens::role_key(&t.role),
                ends: t.expires_at,
            })
            .collect(),
    }
}

async fn page(app: &App, visit: &Visit, access: &OrgAdmin) -> Result<ServicesPage, Error> {
    Ok(ServicesPage {
        l: visit.words(),
        page: visit.layout(Section::Settings, false),
        org: access.org().name.to_string(),
        saved: false,
        created: None,
        services: app.list_services(access).await?.into_iter().map(account).collect(),
        problems: Vec::new(),
        name: String::new(),
    })
}

/// `GET /settings/organizations/{name}/services`
pub(crate) async fn get(State(app): State<App>, visit: Visit, Path(name): Path<String>, query: Query) -> Answer {
    visit.caller().require_user()?;
    let access = app.administer_org(visit.caller(), &org_of(&name)?).await?;
    show(&ServicesPage { saved: !query.get("saved").is_empty(), ..page(&app, &visit, &access).await? })
}

/// `POST /settings/organizations/{name}/services`. The answer with a secret is the page itself: it must stand in no
/// address and in no cookie.
pub(crate) async fn post(State(app): State<App>, Path(name): Path<String>, form: Posted) -> Answer {
    let visit = &form.visit;
    let l = visit.words();
    let access = app.administer_org(visit.caller(), &org_of(&name)?).await?;
    let invalid = || Error::invalid("This form is not one of ours.");
    let service = || form.get("service").parse::<Slug>().map_err(|_| invalid());
    let done = match form.get("action") {
        "create" => match form.get("name").trim().parse::<Slug>() {
            Ok(name) => {
                let role = form.get("role").parse::<OrgRole>().map_err(|()| invalid())?;
                app.create_service(&access, &name, None, role).await
            }
            Err(_) => Err(Error::new(Code::InvalidPath, "")),
        },
        "token" => {
            let role = if form.get("role") == "write" { TokenRole::Write } else { TokenRole::Read };
            let made = app.create_service_token(&access, &service()?, form.get("token"), role, None).await;
            match made {
                Ok(made) => {
                    let page = ServicesPage { created: Some(made.secret), ..page(&app, visit, &access).await? };
                    let mut response = render(StatusCode::OK, &page);
                    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                    return Ok(response);
                }
                Err(e) => Err(e),
            }
        }
        "revoke" => {
            let id = form.get("id").parse().map_err(|_| invalid())?;
            app.revoke_service_token(&access, &service()?, id).await
        }
        "delete" => app.delete_service(&access, &service()?).await,
        _ => return Err(invalid().into()),
    };
    let problem = match done {
        Ok(()) => {
            return Ok(go(&format!("/settings/organizations/{}/services?saved=1", access.org().name), []));
        }
        Err(e) if e.code == Code::InvalidPath => Problem::new("name", l.t("problem-name-rule")),
        Err(e) if e.code == Code::Conflict => Problem::new("name", l.t("problem-name-taken")),
        Err(e) if e.code == Code::Invalid => Problem::in_english("", e.message),
        Err(e) => return Err(e.into()),
    };
    let name = form.get("name").to_owned();
    let page = ServicesPage { problems: vec![problem], name, ..page(&app, visit, &access).await? };
    Ok(render(StatusCode::UNPROCESSABLE_ENTITY, &page))
}
