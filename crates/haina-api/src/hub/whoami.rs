//! `GET /api/whoami-v2`

use axum::Json;
use axum::extract::State;
use haina_app::App;
use haina_app::gate::TokenInfo;
use serde::Serialize;

use crate::error::Result;
use crate::request::Who;

/// The caller.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhoAmI {
    r#type: &'static str,
    id: String,
    name: String,
    fullname: String,
    email: Option<String>,
    email_verified: bool,
    avatar_url: String,
    is_pro: bool,
    can_pay: bool,
    is_admin: bool,
    orgs: Vec<Org>,
    auth: Auth,
}

/// An organization of the caller.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Org {
    r#type: &'static str,
    id: String,
    name: String,
    fullname: String,
    role_in_org: &'static str,
    avatar_url: String,
}

/// How the caller is known.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<Token>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

/// The token in use.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    display_name: String,
    role: &'static str,
    created_at: String,
}

/// Who the caller is.
#[utoipa::path(get, path = "/api/whoami-v2", tag = "people", responses((status = 200, body = WhoAmI), (status = 401, body = crate::error::ErrorBody)))]
pub async fn whoami(State(app): State<App>, Who(caller): Who) -> Result<Json<WhoAmI>> {
    let me = app.identity(&caller).await?;
    let avatar = |name: &str| format!("{}/api/avatars/{name}", app.base_url());
    let expires_at = me.token.as_ref().and_then(|t| t.expires_at).map(|end| end.to_string());
    let own =
        |t: TokenInfo| Token { display_name: t.name, role: t.role.as_str(), created_at: t.created_at.to_string() };
    // An application's token has no name of its person's: the Hub's client makes one of the user name then.
    let (kind, access_token) = match me.token {
        None => ("session", None),
        Some(token) if token.grant.is_some() => ("app_token_as_user", None),
        Some(token) => ("access_token", Some(own(token))),
    };
    Ok(Json(WhoAmI {
        r#type: "user",
        id: format!("{:024x}", me.id),
        avatar_url: avatar(&me.name),
        name: me.name,
        fullname: me.full_name,
        email_verified: false,
        email: me.email,
        is_pro: false,
        can_pay: false,
        is_admin: me.is_admin,
        orgs: me
            .orgs
            .into_iter()
            .map(|o| Org {
                r#type: "org",
                id: format!("{:024x}", o.id),
                avatar_url: avatar(&o.name),
                name: o.name,
                fullname: o.full_name,
                role_in_org: o.role.as_str(),
            })
            .collect(),
        auth: Auth { r#type: kind, access_token, expires_at },
    }))
}

/// A picture for a name: its first letter on a colour of its own.
#[utoipa::path(get, path = "/api/avatars/{name}", tag = "people", params(("name" = String, Path)), responses((status = 200, content_type = "image/svg+xml")))]
pub async fn avatar(axum::extract::Path(name): axum::extract::Path<String>) -> impl axum::response::IntoResponse {
    let letter = name.chars().next().filter(char::is_ascii_alphanumeric).unwrap_or('?').to_ascii_uppercase();
    let hue = name.bytes().fold(7u32, |h, b| h.wrapping_mul(31).wrapping_add(b.to_ascii_lowercase().into())) % 360;
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 64 64\"><rect width=\"64\" height=\"64\" rx=\"12\" fill=\"hsl({hue} 45% 40%)\"/><text x=\"32\" y=\"43\" font-family=\"sans-serif\" font-size=\"32\" text-anchor=\"middle\" fill=\"#fff\">{letter}</text></svg>"
    );
    let headers = [
        (http::header::CONTENT_TYPE, "image/svg+xml"),
        (http::header::CACHE_CONTROL, "public, max-age=86400"),
        (http::header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        (http::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, svg)
}
