//! Organizations in the settings: one's own, their members, and invitations with their answers.

use askama::Template;
use axum::extract::{Path, State};
use haina_app::App;
use haina_app::people::{INVITE_DAYS, Invitee, OrgInvite, Which};
use haina_types::{Code, Error, OrgRole, Slug, Timestamp};
use http::{HeaderValue, StatusCode, header};

use crate::form::{Posted, Problem};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::profile::{Person, role_key};
use crate::query::Query;
use crate::usage::org_of;
use crate::visit::{Answer, Visit, go, render, show};

/// The roles of a form, weakest first.
pub(crate) const ROLES: [OrgRole; 4] = [OrgRole::Read, OrgRole::Contributor, OrgRole::Write, OrgRole::Admin];

/// An open invitation.
pub(crate) struct Invitation {
    pub id: i64,
    pub org: String,
    /// Whom it is for: a name or an address.
    pub whom: String,
    pub by: Option<String>,
    pub role_key: &'static str,
    pub ends: Timestamp,
}

impl From<OrgInvite> for Invitation {
    fn from(i: OrgInvite) -> Self {
        Self {
            id: i.id,
            whom: i.user.map(|u| u.to_string()).or(i.email).unwrap_or_default(),
            org: i.org.to_string(),
            by: i.by.map(|b| b.to_string()),
            role_key: role_key(i.role),
            ends: i.expires_at,
        }
    }
}

/// One's own organizations, and where one is invited.
#[derive(Template)]
#[template(path = "orgs.html")]
pub(crate) struct OrgsPage {
    pub l: Words,
    pub page: Layout,
    pub orgs: Vec<Person>,
    pub invitations: Vec<Invitation>,
}

/// `GET /settings/organizations`
pub(crate) async fn list(State(app): State<App>, visit: Visit) -> Answer {
    let invitations = app.own_invites(visit.caller()).await?;
    let me = app.identity(visit.caller()).await?;
    show(&OrgsPage {
        l: visit.words(),
        page: visit.layout(Section::Settings, false),
        orgs: me
            .orgs
            .into_iter()
            .map(|o| Person { name: o.name, full_name: o.full_name, role_key: role_key(o.role) })
            .collect(),
        invitations: invitations.into_iter().map(Into::into).collect(),
    })
}

/// Whether a form accepts or declines.
fn accepts(form: &Posted) -> Result<bool, Error> {
    match form.get("action") {
        "accept" => Ok(true),
        "decline" => Ok(false),
        _ => Err(Error::invalid("This form is not one of ours.")),
    }
}

async fn answered(app: &App, form: &Posted, which: Which) -> Answer {
    let accept = accepts(form)?;
    let invite = app.answer_invite(form.visit.caller(), &which, accept).await?;
    Ok(go(&if accept { format!("/{}", invite.org) } else { "/settings/organizations".to_owned() }, []))
}

/// `POST /settings/organizations`: the answer to an invitation by name.
pub(crate) async fn answer(State(app): State<App>, form: Posted) -> Answer {
    let id = form.get("id").parse().map_err(|_| Error::invalid("The id of an invitation is a number."))?;
    answered(&app, &form, Which::Id(id)).await
}

/// What a link leads to.
#[derive(Template)]
#[template(path = "invitation.html")]
pub(crate) struct InvitationPage {
    pub l: Words,
    pub page: Layout,
    pub invitation: Invitation,
    /// Where its answer goes: the address with the secret.
    pub action: String,
}

/// `GET /settings/invitations/{secret}`
pub(crate) async fn invitation(State(app): State<App>, visit: Visit, Path(secret): Path<String>) -> Answer {
    visit.caller().require_user()?;
    let invite = app.invite_of(visit.caller(), &Which::Secret(secret.clone())).await?;
    let mut response = render(
        StatusCode::OK,
        &InvitationPage {
            l: visit.words(),
            page: visit.layout(Section::Settings, false),
            invitation: invite.into(),
            action: format!("/settings/invitations/{}", crate::address::segment(&secret)),
        },
    );
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// `POST /settings/invitations/{secret}`
pub(crate) async fn answer_link(State(app): State<App>, Path(secret): Path<String>, form: Posted) -> Answer {
    answered(&app, &form, Which::Secret(secret)).await
}

/// A member of the list.
pub(crate) struct Member {
    pub name: String,
    pub full_name: String,
    pub role: OrgRole,
    pub is_service: bool,
    pub role_key: &'static str,
}

/// The members of an organization.
#[derive(Template)]
#[template(path = "members.html")]
pub(crate) struct MembersPage {
    pub l: Words,
    pub page: Layout,
    pub org: String,
    pub may_manage: bool,
    /// Whether the visitor is a member and could leave.
    pub is_member: bool,
    pub saved: bool,
    /// The link just made, shown this once.
    pub link: Option<String>,
    pub members: Vec<Member>,
    pub invitations: Vec<Invitation>,
    pub problems: Vec<Problem>,
    pub whom: String,
}

impl MembersPage {
    fn roles(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        ROLES.into_iter().map(|role| (role.as_str(), role_key(role)))
    }
}

async fn page(app: &App, visit: &Visit, org: &Slug) -> Result<MembersPage, Error> {
    let access = app.org_member(visit.caller(), org).await?;
    let invitations = match access.may_manage() {
        true => app.list_invites(&app.administer_org(visit.caller(), org).await?).await?,
        false => Vec::new(),
    };
    Ok(MembersPage {
        l: visit.words(),
        page: visit.layout(Section::Settings, false),
        org: access.org().name.to_string(),
        may_manage: access.may_manage(),
        is_member: access.role().is_some(),
        saved: false,
        link: None,
        members: app
            .list_members(&access)
            .await?
            .into_iter()
            .map(|m| Member {
                name: m.name,
                full_name: m.full_name,
                role: m.role,
                is_service: m.is_service,
                role_key: role_key(m.role),
            })
            .collect(),
        invitations: invitations.into_iter().map(Into::into).collect(),
        problems: Vec::new(),
        whom: String::new(),
    })
}

/// `GET /settings/organizations/{name}/members`
pub(crate) async fn members(State(app): State<App>, visit: Visit, Path(name): Path<String>, query: Query) -> Answer {
    visit.caller().require_user()?;
    let saved = !query.get("saved").is_empty();
    show(&MembersPage { saved, ..page(&app, &visit, &org_of(&name)?).await? })
}

/// `POST /settings/organizations/{name}/members`. The answer to an invitation is the page itself: its link must stand
/// in no address and in no cookie.
pub(crate) async fn change(State(app): State<App>, Path(name): Path<String>, form: Posted) -> Answer {
    let visit = &form.visit;
    visit.caller().require_user()?;
    let org = org_of(&name)?;
    let invalid = || Error::invalid("This form is not one of ours.");
    let user = || form.get("user").parse::<Slug>().map_err(|_| invalid());
    let role = || form.get("role").parse::<OrgRole>().map_err(|()| invalid());
    let done = match form.get("action") {
        "leave" => match app.leave_org(visit.caller(), &org).await {
            Ok(()) => return Ok(go(&format!("/{org}"), [])),
            Err(e) => Err(e),
        },
        "invite" => {
            let access = app.administer_org(visit.caller(), &org).await?;
            let whom = form.get("whom").trim().to_owned();
            let made = match if whom.contains('@') { Ok(Invitee::Email(whom)) } else { whom.parse().map(Invitee::User) }
            {
                Ok(whom) => app.invite_member(&access, &whom, role()?, Some(INVITE_DAYS)).await,
                Err(_) => Err(Error::new(Code::NotFound, "")),
            };
            match made {
                Ok(made) => {
                    let page = MembersPage { link: Some(made.url), ..page(&app, visit, &org).await? };
                    let mut response = render(StatusCode::OK, &page);
                    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                    return Ok(response);
                }
                Err(e) => Err(e),
            }
        }
        "role" => {
            let access = app.administer_org(visit.caller(), &org).await?;
            app.change_role(&access, &user()?, role()?).await
        }
        "remove" => {
            let access = app.administer_org(visit.caller(), &org).await?;
            app.expel(&access, &user()?).await
        }
        "revoke" => {
            let access = app.administer_org(visit.caller(), &org).await?;
            let id = form.get("id").parse().map_err(|_| invalid())?;
            app.revoke_invite(&access, id).await
        }
        _ => return Err(invalid().into()),
    };
    let invites = form.get("action") == "invite";
    let l = visit.words();
    let problem = match done {
        Ok(()) => return Ok(go(&format!("/settings/organizations/{org}/members?saved=1"), [])),
        Err(e) if invites && e.code == Code::NotFound => Problem::new("whom", l.t("problem-invitee")),
        Err(e) if invites && e.code == Code::Conflict => Problem::new("whom", l.t("problem-member")),
        Err(e) if invites && e.code == Code::Invalid => Problem::in_english("whom", e.message),
        Err(e) if e.code == Code::Conflict => Problem::new("", l.t("problem-last-admin")),
        Err(e) => return Err(e.into()),
    };
    let page =
        MembersPage { problems: vec![problem], whom: form.get("whom").to_owned(), ..page(&app, visit, &org).await? };
    Ok(render(StatusCode::UNPROCESSABLE_ENTITY, &page))
}
