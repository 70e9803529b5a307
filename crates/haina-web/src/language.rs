//! `/language`: the switch on every page.

use haina_types::Error;

use crate::form::Posted;
use crate::locale::Locale;
use crate::visit::{Answer, LANGUAGE, go, local};

/// How long a choice is kept: a year.
const SECONDS: i64 = 365 * 86_400;

/// `GET /language`: nothing to see; the switch is on every page.
pub(crate) async fn get() -> Answer {
    Ok(go("/", []))
}

/// `POST /language`
pub(crate) async fn post(form: Posted) -> Answer {
    let locale = Locale::from_tag(form.get("lang"))
        .ok_or_else(|| Error::invalid("The languages are zh-Hans, zh-Hant and en."))?;
    Ok(go(local(form.get("next")), [form.visit.cookie(LANGUAGE, locale.tag(), SECONDS)]))
}
