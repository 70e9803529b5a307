//! `/logout`

use askama::Template;
use axum::extract::State;
use haina_app::App;

use crate::form::Posted;
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::visit::{Answer, SESSION, Visit, go, show};

/// The button to sign out, for those who typed the address.
#[derive(Template)]
#[template(path = "logout.html")]
pub(crate) struct LogoutPage {
    pub l: Words,
    pub page: Layout,
}

/// `GET /logout`
pub(crate) async fn get(visit: Visit) -> Answer {
    show(&LogoutPage { l: visit.words(), page: visit.layout(Section::None, false) })
}

/// `POST /logout`
pub(crate) async fn post(State(app): State<App>, form: Posted) -> Answer {
    if let Some(secret) = form.visit.session() {
        app.sign_out(secret).await?;
    }
    Ok(go("/", [form.visit.cookie(SESSION, "", 0)]))
}
