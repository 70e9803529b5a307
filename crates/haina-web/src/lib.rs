//! The pages of Haina, their messages and assets.
//!
//! One file for each page holds its view model and its handlers; the markup stands beside it in `templates/`, the
//! words in `messages/`. Handlers ask the application for one thing and show it. Pages work without JavaScript, in
//! three languages, and load nothing from elsewhere.
//!
//! [`router`] is all that the rest of Haina sees.

mod access;
mod activity;
mod address;
mod apps;
mod assets;
mod audit;
mod authorize;
mod blob;
mod bucket;
mod changes;
mod collections;
mod commits;
mod device;
mod discussion;
mod discussions;
mod error;
mod form;
mod groups;
mod home;
mod identity;
mod join;
mod keys;
mod language;
mod layout;
mod likes;
mod list;
mod locale;
mod login;
mod logout;
mod manage;
mod messages;
mod new;
mod orgs;
mod parts;
mod people;
mod profile;
mod query;
mod repo;
mod services;
mod signin;
mod target;
mod tokens;
mod tree;
mod usage;
mod visit;
mod webhooks;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use haina_app::App;
use haina_types::{Code, Error};

/// Every page, and the page for what is not there as the fallback of the router.
pub fn router() -> Router<App> {
    let mut router = Router::new()
        .route("/", get(home::get))
        .route("/models", get(list::models))
        .route("/datasets", get(list::datasets))
        .route("/spaces", get(list::spaces))
        .route("/login", get(login::get).post(login::post))
        .route("/login/with/{provider}", get(signin::begin).post(signin::directory))
        .route("/login/callback/{provider}", get(signin::callback))
        .route("/login/identity", get(identity::get).post(identity::link))
        .route("/login/identity/join", post(identity::join))
        .route("/settings/sign-in", get(identity::ways))
        .route("/settings/sign-in/remove", post(identity::remove))
        .route("/logout", get(logout::get).post(logout::post))
        .route("/join", get(join::get).post(join::post))
        .route("/setup", get(join::setup).post(join::complete_setup))
        .route("/settings/tokens", get(tokens::get).post(tokens::post))
        .route("/settings/tokens/revoke", post(tokens::revoke))
        .route("/settings/keys", get(keys::get).post(keys::post))
        .route("/settings/keys/remove", post(keys::remove))
        .route("/settings/follow", post(people::follow))
        .route("/settings/usage", get(usage::own))
        .route("/settings/organizations/{name}/usage", get(usage::org))
        .route("/settings/organizations", get(orgs::list).post(orgs::answer))
        .route("/settings/organizations/{name}/members", get(orgs::members).post(orgs::change))
        .route("/settings/organizations/{name}/groups", get(groups::get).post(groups::post))
        .route("/settings/organizations/{name}/services", get(services::get).post(services::post))
        .route("/settings/organizations/{name}/activity", get(activity::get).post(activity::post))
        .route("/settings/invitations/{secret}", get(orgs::invitation).post(orgs::answer_link))
        .route("/settings/webhooks", get(webhooks::list).post(webhooks::create))
        .route("/settings/webhooks/{id}", get(webhooks::get).post(webhooks::post))
        .route("/settings/webhooks/{id}/deliveries/{delivery}", get(webhooks::delivery).post(webhooks::replay))
        .route("/settings/audit-log", get(audit::own))
        .route("/organizations/{name}/settings/audit-log", get(audit::organization))
        .route("/admin/audit-log", get(audit::all))
        .route("/collections", get(collections::list))
        .route("/collections/new", get(collections::new).post(collections::create))
        .route("/collections/{owner}/{slug}", get(collections::get).post(collections::post))
        .route("/settings/tokens/applications/revoke", post(tokens::end_grant))
        .route("/settings/applications", get(apps::get).post(apps::post))
        .route("/settings/applications/secret", post(apps::secret))
        .route("/settings/applications/remove", post(apps::remove))
        .route("/device", get(device::get).post(device::post))
        .route("/oauth/authorize", get(authorize::get).post(authorize::post))
        .route("/new", get(new::get).post(new::post))
        .route("/new-dataset", get(new::dataset))
        .route("/new-space", get(new::space))
        .route("/language", get(language::get).post(language::post))
        .route("/assets/{file}", get(assets::serve))
        .route("/favicon.ico", get(assets::favicon))
        .route("/buckets/{namespace}/{name}", get(bucket::get))
        .route("/buckets/{namespace}/{name}/tree", get(bucket::get))
        .route("/buckets/{namespace}/{name}/tree/{*path}", get(bucket::get))
        .route("/{namespace}", get(profile::get));
    for prefix in ["", "/datasets", "/spaces"] {
        let repo = format!("{prefix}/{{namespace}}/{{name}}");
        router = router
            .route(&repo, get(repo::get))
            .route(&format!("{repo}/tree/{{rev}}"), get(tree::get))
            .route(&format!("{repo}/tree/{{rev}}/{{*path}}"), get(tree::get))
            .route(&format!("{repo}/blob/{{rev}}/{{*path}}"), get(blob::get))
            .route(&format!("{repo}/commits/{{rev}}"), get(commits::get))
            .route(&format!("{repo}/discussions"), get(discussions::get).post(discussions::post))
            .route(&format!("{repo}/discussions/new"), get(discussions::new))
            .route(&format!("{repo}/discussions/{{num}}"), get(discussion::get).post(discussion::post))
            .route(&format!("{repo}/discussions/{{num}}/files"), get(changes::get))
            .route(&format!("{repo}/like"), post(likes::post))
            .route(&format!("{repo}/likers"), get(likes::likers))
            .route(&format!("{repo}/settings"), get(manage::get).post(manage::post))
            .route(&format!("{repo}/settings/audit-log"), get(audit::repository))
            .route(&format!("{repo}/access"), get(access::get).post(access::post));
    }
    router
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        .layer(DefaultBodyLimit::max(form::FORM_BYTES_MAX))
        .layer(from_fn(visit::frame))
}

/// The page for an address that nothing answers.
async fn not_found(_: visit::Visit) -> visit::Answer {
    Err(Error::new(Code::NotFound, "There is no such page.").into())
}

#[cfg(test)]
mod samples;
