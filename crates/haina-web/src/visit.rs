//! Who visits, in which language, from where: read from each request before its handler runs.
//!
//! [`frame`] wraps every page. It reads what needs no database, sends the headers that every page has, and turns
//! errors into pages.

use std::sync::{Arc, OnceLock};

use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use haina_app::rates::Meter;
use haina_app::{App, Caller};
use haina_types::{Clock, Code, Error, Rng, SystemClock, SystemRng, Timestamp};
use http::{HeaderMap, HeaderValue, StatusCode, header, request};

use crate::error::{ErrorPage, FaultPage, fault_key, status_of};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;

/// The cookie that carries a session.
pub(crate) const SESSION: &str = "haina_session";
/// The cookie that forms are bound to, with or without a session.
const FORM: &str = "haina_form";
/// The cookie of the chosen language.
pub(crate) const LANGUAGE: &str = "haina_lang";

/// Nothing but our own files; no script or style that is not one of them.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
     media-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// Of a response: the origin that its forms may lead to besides this hub, since browsers follow the policy through the
/// redirect that answers a form.
#[derive(Debug, Clone)]
pub(crate) struct FormsLeadTo(pub String);

fn policy(more: Option<FormsLeadTo>) -> HeaderValue {
    let fits = |origin: &str| {
        !origin.is_empty() && origin.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.:/[]".contains(&b))
    };
    let more = more.filter(|FormsLeadTo(origin)| fits(origin));
    let text = more.map(|FormsLeadTo(origin)| format!("{CONTENT_SECURITY_POLICY} {origin}"));
    text.and_then(|t| HeaderValue::from_str(&t).ok()).unwrap_or(HeaderValue::from_static(CONTENT_SECURITY_POLICY))
}

/// One request of a visitor. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Visit(Arc<Inner>);

struct Inner {
    locale: Locale,
    now: Timestamp,
    here: String,
    session: Option<String>,
    form: String,
    form_is_new: bool,
    form_is_used: OnceLock<()>,
    caller: OnceLock<Caller>,
    secure: OnceLock<bool>,
}

/// The value of a cookie. Where a name occurs twice, the first is the more specific one.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// A secret that we issued looks like this; anything else is not worth a look-up.
fn is_secret(text: &str) -> bool {
    (20..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

impl Visit {
    fn read(request: &Request) -> Self {
        let headers = request.headers();
        let accept = headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
        let form = cookie(headers, FORM).filter(|v| is_secret(v)).map(str::to_owned);
        let rng: &dyn Rng = &SystemRng;
        Self(Arc::new(Inner {
            locale: Locale::negotiate(cookie(headers, LANGUAGE), accept),
            now: SystemClock.now(),
            here: request.uri().path_and_query().map_or("/", |p| p.as_str()).to_owned(),
            session: cookie(headers, SESSION).filter(|v| is_secret(v)).map(str::to_owned),
            form_is_new: form.is_none(),
            form: form.unwrap_or_else(|| rng.alphanumeric(32)),
            form_is_used: OnceLock::new(),
            caller: OnceLock::new(),
            secure: OnceLock::new(),
        }))
    }

    /// The language and the moment.
    pub(crate) fn words(&self) -> Words {
        Words { locale: self.0.locale, now: self.0.now }
    }

    /// Who is asking.
    pub(crate) fn caller(&self) -> &Caller {
        static NOBODY: std::sync::LazyLock<Caller> = std::sync::LazyLock::new(Caller::anonymous);
        self.0.caller.get().unwrap_or(&NOBODY)
    }

    /// The signed-in person's name.
    pub(crate) fn viewer(&self) -> Option<String> {
        self.caller().user().map(|u| u.name.to_string())
    }

    /// The secret of the session, if there is one.
    pub(crate) fn session(&self) -> Option<&str> {
        self.0.session.as_deref()
    }

    /// The token that a form of this visitor must carry. It follows from two secrets that no other site can read, so
    /// nothing is kept for it, and it changes when the visitor signs in or out.
    pub(crate) fn form_token(&self) -> String {
        let _ = self.0.form_is_used.set(());
        self.token().to_hex().to_string()
    }

    fn token(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_derive_key("haina-web 2026-03 token of forms");
        hasher.update(self.0.form.as_bytes()).update(b"\0").update(self.0.session.as_deref().unwrap_or("").as_bytes());
        hasher.finalize()
    }

    /// Whether `sent` is that token; takes the same time for every wrong one.
    pub(crate) fn is_form_token(&self, sent: &str) -> bool {
        blake3::Hash::from_hex(sent).is_ok_and(|sent| sent == self.token())
    }

    /// The frame of a page.
    pub(crate) fn layout(&self, section: Section, is_section: bool) -> Layout {
        Layout { viewer: self.viewer(), csrf: self.form_token(), here: self.0.here.clone(), section, is_section }
    }

    /// A `Set-Cookie` for this hub. `SameSite=Lax` keeps it from requests that other sites start, except for links.
    pub(crate) fn cookie(&self, name: &str, value: &str, seconds: i64) -> HeaderValue {
        let secure = if self.0.secure.get().copied().unwrap_or(true) { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }

    /// The cookie of a session.
    pub(crate) fn session_cookie(&self, secret: &str, expires_at: Timestamp) -> HeaderValue {
        self.cookie(SESSION, secret, (expires_at.seconds() - self.0.now.seconds()).max(0))
    }

    /// The page for an error.
    fn error_page(&self, failure: &Failure, request_id: &str) -> Response {
        let error = &failure.error;
        let status = status_of(error.code);
        if let Some(key) = fault_key(error.code) {
            let all = [self.words().locale].into_iter().chain(Locale::ALL.into_iter().filter(|l| *l != self.0.locale));
            let mut all = all.map(|locale| Words { locale, ..self.words() });
            let first = self.words();
            let all = std::array::from_fn(|_| all.next().unwrap_or(first));
            return render(status, &FaultPage { first, all, status: status.as_u16(), key, id: request_id.to_owned() });
        }
        let says_more =
            matches!(error.code, Code::Invalid | Code::InvalidPath | Code::Forbidden | Code::Conflict | Code::TooLarge);
        let page = ErrorPage {
            l: self.words(),
            page: self.layout(Section::None, false),
            status: status.as_u16(),
            code: error.code,
            key: if failure.form_expired { "form-expired" } else { error.code.key() },
            detail: (says_more && !failure.form_expired).then(|| error.message.clone()),
            guess: self.guess(),
            wait_seconds: error.rate.as_ref().map(|rate| rate.reset_seconds.into()),
        };
        render(status, &page)
    }

    /// The last segment of a repository's address: what a visitor of a page that is not there may look for.
    fn guess(&self) -> String {
        let path = self.0.here.split('?').next().unwrap_or("");
        let mut segments = path.split('/').filter(|s| !s.is_empty());
        let found = match segments.next() {
            Some("datasets" | "spaces" | "models" | "buckets") => segments.nth(1),
            Some(first) => segments.next().or(Some(first)),
            None => None,
        };
        percent_encoding::percent_decode_str(found.unwrap_or("")).decode_utf8_lossy().chars().take(100).collect()
    }
}

/// Why a handler has no page to show.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    error: Arc<Error>,
    form_expired: bool,
}

impl Failure {
    /// A form that did not come from a page of ours, or from one that is too old.
    pub(crate) fn form_expired(why: &'static str) -> Self {
        Self { error: Arc::new(Error::new(Code::Forbidden, why)), form_expired: true }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error: Arc::new(error), form_expired: false }
    }
}

/// Left for [`frame`], which knows the visitor.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = status_of(self.error.code).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What handlers of pages return.
pub(crate) type Answer = Result<Response, Failure>;

/// A rendered page.
pub(crate) fn render(status: StatusCode, page: &impl askama::Template) -> Response {
    match page.render() {
        Ok(html) => {
            let headers = [
                (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                // Pages differ by visitor; what a browser keeps it must ask about.
                (header::CACHE_CONTROL, "private, no-cache"),
            ];
            (status, headers, html).into_response()
        }
        Err(e) => {
            tracing::error!(error = %e, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A page with status 200.
pub(crate) fn show(page: &impl askama::Template) -> Answer {
    Ok(render(StatusCode::OK, page))
}

/// On to another page after a form, with the cookies that it set.
pub(crate) fn go(to: &str, cookies: impl IntoIterator<Item = HeaderValue>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/")));
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}

/// A place on this hub to go to after a form; anything that could lead elsewhere becomes the home page.
pub(crate) fn local(next: &str) -> &str {
    let is_local =
        next.starts_with('/') && !next.starts_with("//") && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if is_local { next } else { "/" }
}

/// Around every page: reads the visit, shows errors as pages, adds the headers.
pub(crate) async fn frame(mut request: Request, next: Next) -> Response {
    let visit = Visit::read(&request);
    let is_get = matches!(*request.method(), http::Method::GET | http::Method::HEAD);
    request.extensions_mut().insert(visit.clone());
    let mut response = match std::panic::AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        // Whoever looks at a page sees a page, whatever happens; the words of the panic are in the log already.
        Err(_) => Failure::from(Error::internal("a handler panicked")).into_response(),
    };
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        let id = (&SystemRng as &dyn Rng).alphanumeric(8);
        if fault_key(failure.error.code).is_some() {
            tracing::error!(id, path = visit.0.here, error = ?failure.error, "page failed");
        }
        let wait = failure.error.rate.as_ref().map(|rate| rate.reset_seconds);
        response = if failure.error.code == Code::Unauthenticated && is_get && !failure.form_expired {
            go(&visit.layout(Section::None, false).sign_in_url(), [])
        } else {
            visit.error_page(&failure, &id)
        };
        if let Some(seconds) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
    }
    let policy = policy(response.extensions_mut().remove());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    if visit.0.form_is_new && visit.0.form_is_used.get().is_some() {
        // Lives as long as the browser runs.
        let secure = if visit.0.secure.get().copied().unwrap_or(true) { "; Secure" } else { "" };
        let text = format!("{FORM}={}; Path=/; HttpOnly; SameSite=Lax{secure}", visit.0.form);
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.append(header::SET_COOKIE, value);
        }
    }
    if headers.contains_key(header::CONTENT_TYPE) && !headers.contains_key(header::VARY) {
        headers.insert(header::VARY, HeaderValue::from_static("Cookie, Accept-Language"));
    }
    response
}

impl FromRequestParts<App> for Visit {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut request::Parts, app: &App) -> Result<Self, Failure> {
        let visit = parts
            .extensions
            .get::<Visit>()
            .cloned()
            .ok_or_else(|| Error::internal("a page is served outside its frame"))?;
        let _ = visit.0.secure.set(app.base_url().starts_with("https://"));
        if let (Some(secret), None) = (&visit.0.session, visit.0.caller.get()) {
            let _ = visit.0.caller.set(app.caller_by_session(secret).await?);
        }
        if let Some(meter) = parts.extensions.get::<Meter>() {
            meter.count(visit.caller())?;
        }
        Ok(visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(cookies: &str) -> Visit {
        let request = Request::builder().uri("/a?b").header("cookie", cookies).body(axum::body::Body::empty()).unwrap();
        Visit::read(&request)
    }

    #[test]
    fn form_tokens_belong_to_a_browser_and_a_session() {
        let form = "f".repeat(32);
        let anonymous = visit(&format!("haina_form={form}"));
        let signed_in = visit(&format!("haina_form={form}; haina_session={}", "s".repeat(40)));
        let token = anonymous.form_token();
        assert!(anonymous.is_form_token(&token));
        assert!(visit(&format!("x=y; haina_form={form}")).is_form_token(&token));
        assert!(!signed_in.is_form_token(&token));
        assert!(!visit("").is_form_token(&token));
        assert!(!anonymous.is_form_token(""));
        assert!(!anonymous.is_form_token(&token.to_uppercase().replace(|c: char| c.is_ascii_digit(), "0")));
    }

    #[test]
    fn cookies_are_out_of_reach_of_scripts_and_other_sites() {
        let visit = visit("");
        visit.0.secure.set(true).unwrap();
        let cookie = visit.session_cookie("abc", visit.0.now.plus_seconds(60));
        assert_eq!(cookie, "haina_session=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
    }

    #[tokio::test]
    async fn a_page_that_panics_is_a_page() {
        use axum::routing::get;
        use http_body_util::BodyExt;
        use tower::ServiceExt;
        #[expect(clippy::panic, reason = "that is what is tested")]
        async fn boom() -> &'static str {
            panic!("secret words")
        }
        let router = axum::Router::new().route("/boom", get(boom)).layer(axum::middleware::from_fn(frame));
        let request = Request::get("/boom").body(axum::body::Body::empty()).unwrap();
        let response = router.with_state(()).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let html = response.into_body().collect().await.unwrap().to_bytes();
        let html = String::from_utf8_lossy(&html);
        assert!(html.contains("<html") && !html.contains("secret words"), "{html}");
    }

    #[test]
    fn forms_lead_nowhere_by_surprise() {
        let text = |origin: &str| policy(Some(FormsLeadTo(origin.into()))).to_str().unwrap().to_owned();
        assert!(text("https://app.example:8443").ends_with("form-action 'self' https://app.example:8443"));
        assert!(text("org.example.app:").ends_with("form-action 'self' org.example.app:"));
        for bad in ["https://a; script-src *", "'unsafe-inline'", "https://a,b", ""] {
            assert!(text(bad).ends_with("form-action 'self'"), "{bad}");
        }
        assert_eq!(policy(None), CONTENT_SECURITY_POLICY);
    }

    #[test]
    fn only_places_on_this_hub_are_gone_to() {
        assert_eq!(local("/models?search=a"), "/models?search=a");
        for bad in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb", "javascript:x", "/模型"]
        {
            assert_eq!(local(bad), "/", "{bad:?}");
        }
    }
}
