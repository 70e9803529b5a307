//! The Hub's JSON doors. Each handler parses, passes the gate, calls one use case and renders.

mod audit;
mod catalogue;
mod collections;
mod commit;
mod create;
mod delete;
mod discussions;
mod duplicate;
mod facets;
mod gated;
mod groups;
mod info;
mod jobs;
mod large;
mod leaderboard;
mod likes;
mod list;
mod log;
mod orgs;
mod overview;
mod papers;
mod people;
mod refs;
pub(crate) mod render;
pub(crate) mod resolve;
mod services;
mod settings;
mod spaces;
mod telemetry;
mod tree;
mod uploads;
mod validate;
mod webhooks;
mod whoami;
pub(crate) mod xet_token;

use axum::routing::{any, get, post};
use haina_app::App;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Every Hub route.
pub fn router() -> OpenApiRouter<App> {
    let mut router = OpenApiRouter::new()
        .routes(routes!(whoami::whoami))
        .routes(routes!(whoami::avatar))
        .routes(routes!(create::create))
        .routes(routes!(delete::delete))
        .routes(routes!(settings::settings))
        .routes(routes!(settings::moving))
        .routes(routes!(duplicate::duplicate))
        .routes(routes!(gated::auth_check))
        .routes(routes!(gated::auth_check_write))
        .routes(routes!(gated::list))
        .routes(routes!(gated::handle))
        .routes(routes!(gated::grant))
        .routes(routes!(gated::withdraw))
        .routes(routes!(gated::ask))
        .routes(routes!(gated::report))
        .routes(routes!(large::list))
        .routes(routes!(large::batch))
        .routes(routes!(large::copy))
        .routes(routes!(large::squash))
        .routes(routes!(overview::user))
        .routes(routes!(overview::organization))
        .routes(routes!(overview::members))
        .routes(routes!(overview::own_repositories))
        .routes(routes!(overview::organization_repositories))
        .routes(routes!(overview::own_quota))
        .routes(routes!(services::list, services::create))
        .routes(routes!(services::delete))
        .routes(routes!(services::create_token))
        .routes(routes!(services::revoke_token))
        .routes(routes!(orgs::set_role))
        .routes(routes!(groups::list, groups::create))
        .routes(routes!(groups::info, groups::update, groups::delete))
        .routes(routes!(groups::add_users))
        .routes(routes!(groups::set_role, groups::remove_user))
        .routes(routes!(groups::of_repo, groups::set_of_repo))
        .routes(routes!(groups::set_of_bucket))
        .routes(routes!(orgs::remove))
        .routes(routes!(orgs::settings, orgs::set_settings))
        .routes(routes!(orgs::activity))
        .routes(routes!(orgs::invitations, orgs::invite))
        .routes(routes!(orgs::revoke))
        .routes(routes!(orgs::own))
        .routes(routes!(orgs::accept))
        .routes(routes!(orgs::decline))
        .routes(routes!(overview::organization_quota))
        .routes(routes!(audit::all))
        .routes(routes!(audit::own))
        .routes(routes!(audit::organization))
        .routes(routes!(audit::organization_export))
        .routes(routes!(audit::repository))
        .routes(routes!(audit::bucket))
        .routes(routes!(catalogue::model_tags))
        .routes(routes!(catalogue::dataset_tags))
        .routes(routes!(catalogue::templates))
        .routes(routes!(facets::facets))
        .routes(routes!(list::models))
        .routes(routes!(list::datasets))
        .routes(routes!(list::spaces))
        .routes(routes!(list::kernels))
        .routes(routes!(info::info))
        .routes(routes!(info::revision))
        .routes(routes!(tree::paths_info))
        .routes(routes!(commit::preupload))
        .routes(routes!(commit::commit))
        .routes(routes!(log::commits))
        .routes(routes!(log::refs))
        .routes(routes!(refs::create_branch, refs::delete_branch))
        .routes(routes!(refs::create_tag, refs::delete_tag))
        .routes(routes!(xet_token::read))
        .routes(routes!(xet_token::write))
        .routes(routes!(likes::like, likes::unlike))
        .routes(routes!(likes::likers))
        .routes(routes!(likes::liked))
        .routes(routes!(people::user_followers))
        .routes(routes!(people::organization_followers))
        .routes(routes!(people::following))
        .routes(routes!(people::follow_user, people::unfollow_user))
        .routes(routes!(people::follow_organization, people::unfollow_organization))
        .routes(routes!(collections::list, collections::create))
        .routes(routes!(collections::get, collections::update, collections::delete))
        .routes(routes!(collections::resource_group))
        .routes(routes!(collections::upvote, collections::withdraw_upvote))
        .routes(routes!(collections::add_item))
        .routes(routes!(collections::update_item, collections::delete_item))
        .routes(routes!(discussions::list, discussions::create))
        .routes(routes!(discussions::show))
        .routes(routes!(discussions::comment))
        .routes(routes!(discussions::rename))
        .routes(routes!(discussions::status))
        .routes(routes!(discussions::merge))
        .routes(routes!(discussions::edit))
        .routes(routes!(discussions::hide))
        .routes(routes!(uploads::upload))
        .routes(routes!(uploads::show))
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::get, webhooks::update, webhooks::delete))
        .routes(routes!(webhooks::enable))
        .routes(routes!(webhooks::disable))
        .routes(routes!(webhooks::deliveries))
        .routes(routes!(webhooks::one_delivery))
        .routes(routes!(webhooks::replay))
        .routes(routes!(validate::validate))
        .routes(routes!(spaces::secrets, spaces::set_secret, spaces::delete_secret))
        .routes(routes!(spaces::variables, spaces::set_variable, spaces::delete_variable))
        .routes(routes!(spaces::runtime))
        .routes(routes!(spaces::set_hardware))
        .routes(routes!(spaces::sleep_time))
        .routes(routes!(spaces::pause))
        .routes(routes!(spaces::restart))
        .routes(routes!(spaces::dev_mode))
        .routes(routes!(spaces::set_volumes, spaces::delete_volumes))
        .routes(routes!(spaces::logs))
        .routes(routes!(spaces::hardware))
        .routes(routes!(spaces::quota))
        .routes(routes!(spaces::search))
        .routes(routes!(leaderboard::leaderboard))
        .routes(routes!(papers::paper))
        .routes(routes!(papers::search))
        .routes(routes!(papers::daily))
        .routes(routes!(papers::text))
        .routes(routes!(telemetry::telemetry))
        .routes(routes!(telemetry::agent_harnesses))
        .routes(routes!(telemetry::health))
        .route("/api/models/{namespace}/{repo}/safetensors-metadata/{*path}", get(catalogue::safetensors))
        .route("/api/{kind}/{namespace}", get(info::one_segment))
        .route("/api/{kind}/{namespace}/{repo}", post(likes::of_one_segment).delete(likes::of_one_segment))
        .route("/api/{kind}/{namespace}/{repo}/tree/{rev}", get(tree::tree))
        .route("/api/{kind}/{namespace}/{repo}/tree/{rev}/", get(tree::tree))
        .route("/api/{kind}/{namespace}/{repo}/tree/{rev}/{*path}", get(tree::tree));
    for base in ["/api/jobs", "/api/scheduled-jobs"] {
        router = router.route(base, any(jobs::none)).route(&format!("{base}/{{*rest}}"), any(jobs::none));
    }
    // Models live at the root, the other kinds below their plural.
    for prefix in ["/datasets", "/spaces", "/kernels"] {
        let base = format!("{prefix}/{{namespace}}/{{repo}}");
        router = router
            .route(&format!("{base}/ask-access"), post(gated::ask))
            .route(&format!("{base}/user-access-report"), get(gated::report));
    }
    for prefix in ["", "/datasets", "/spaces", "/kernels"] {
        let base = format!("{prefix}/{{namespace}}/{{repo}}");
        router = router
            .route(&format!("{base}/resolve/{{rev}}/{{*path}}"), get(resolve::resolve))
            .route(&format!("{base}/raw/{{rev}}/{{*path}}"), get(resolve::raw));
    }
    router
}

/// Routes with a rest of any depth, which the router's own path syntax cannot say in OpenAPI.
#[derive(utoipa::OpenApi)]
#[openapi(paths(tree::tree, resolve::resolve, resolve::raw, catalogue::safetensors))]
pub struct Wildcards;
