//! Visits through the whole router, over a hub in a temporary folder: signing in and out, forms from elsewhere,
//! what strangers may know, and the headers of every answer.

#![allow(clippy::unwrap_used, reason = "a step that fails ends the test")]

use std::cell::RefCell;
use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use haina_app::people::{NewUser, SignUp, Signup};
use haina_app::{App, Options};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

const PASSWORD: &str = "海纳百川有容乃大";

struct Hub {
    app: App,
    router: Router,
    _data: tempfile::TempDir,
}

impl Hub {
    async fn new(base_url: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let app = App::open(Options::new(data.path(), base_url)).await.unwrap();
        Self { router: haina_web::router().with_state(app.clone()), app, _data: data }
    }

    fn browser(&self) -> Browser<'_> {
        Browser { hub: self, cookies: RefCell::default(), language: "en" }
    }
}

/// A browser: keeps cookies, sends forms with the hidden fields of the page that has them.
struct Browser<'a> {
    hub: &'a Hub,
    cookies: RefCell<BTreeMap<String, String>>,
    language: &'static str,
}

struct Page {
    status: StatusCode,
    headers: http::HeaderMap,
    html: String,
}

impl Page {
    fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |v| v.to_str().unwrap())
    }

    fn csrf(&self) -> String {
        self.html.split("name=\"csrf\" value=\"").nth(1).and_then(|t| t.split('"').next()).unwrap_or("").to_owned()
    }
}

impl Browser<'_> {
    async fn send(&self, mut request: Request<Body>) -> Page {
        let cookies: Vec<String> = self.cookies.borrow().iter().map(|(k, v)| format!("{k}={v}")).collect();
        let headers = request.headers_mut();
        headers.insert(header::HOST, "hub.example".parse().unwrap());
        headers.insert(header::ACCEPT_LANGUAGE, self.language.parse().unwrap());
        if !cookies.is_empty() {
            headers.insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        let response = self.hub.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        for set in headers.get_all(header::SET_COOKIE) {
            let (pair, rest) = set.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if rest.contains("Max-Age=0") {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
            }
        }
        let html = String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Page { status, headers, html }
    }

    async fn get(&self, path: &str) -> Page {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Sends a form as the page at `from` has it.
    async fn submit(&self, from: &str, to: &str, fields: &[(&str, &str)]) -> Page {
        let csrf = self.get(from).await.csrf();
        assert!(!csrf.is_empty(), "{from} has no form");
        let fields = fields.iter().copied().chain([("csrf", csrf.as_str())]);
        self.send(form(to, fields, Some("same-origin"))).await
    }

    async fn sign_in(&self, name: &str) -> Page {
        self.submit("/login", "/login", &[("name", name), ("password", PASSWORD)]).await
    }
}

fn form<'a>(to: &str, fields: impl IntoIterator<Item = (&'a str, &'a str)>, site: Option<&str>) -> Request<Body> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let mut request = Request::post(to).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(site) = site {
        request = request.header("sec-fetch-site", site);
    }
    request.body(Body::from(body)).unwrap()
}

async fn add_person(hub: &Hub, name: &str) {
    let form = SignUp {
        name: name.into(),
        full_name: None,
        email: Some(format!("{name}@example.org")),
        password: PASSWORD.into(),
        invite: None,
    };
    hub.app.sign_up(form).await.unwrap();
}

#[tokio::test]
async fn a_person_signs_in_and_out() {
    let hub = Hub::new("https://hub.example").await;
    add_person(&hub, "lin").await;
    let browser = hub.browser();

    let wrong = browser.submit("/login", "/login", &[("name", "lin"), ("password", "not this one")]).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.html.contains("The name or the password is wrong"));
    assert!(wrong.html.contains("value=\"lin\""), "typed text is kept");
    assert!(!wrong.html.contains("not this one"), "but no password");

    let next = "/login?next=/settings/tokens";
    let done =
        browser.submit(next, "/login", &[("name", "lin"), ("password", PASSWORD), ("next", "/settings/tokens")]).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/settings/tokens"));
    let cookie = done.headers[header::SET_COOKIE].to_str().unwrap();
    for flag in ["haina_session=", "HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
        assert!(cookie.contains(flag), "{flag}: {cookie}");
    }
    assert!(browser.get("/").await.html.contains("href=\"/lin\""));

    let out = browser.submit("/", "/logout", &[]).await;
    assert_eq!((out.status, out.location()), (StatusCode::SEE_OTHER, "/"));
    assert!(!browser.get("/").await.html.contains("href=\"/lin\""));
}

#[tokio::test]
async fn forms_from_elsewhere_are_refused() {
    let hub = Hub::new("http://hub.example").await;
    add_person(&hub, "lin").await;
    let browser = hub.browser();
    let csrf = browser.get("/login").await.csrf();
    let fields = [("name", "lin"), ("password", PASSWORD)];

    // Without a token, with another browser's, from another site, of another type.
    let other = hub.browser().get("/login").await.csrf();
    for (token, site) in [("", Some("same-origin")), (&*other, Some("same-origin")), (&*csrf, Some("cross-site"))] {
        let sent = form("/login", fields.into_iter().chain([("csrf", token)]), site);
        let page = browser.send(sent).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{token:?} {site:?}");
        assert!(page.html.contains("This form has expired"));
        assert!(page.headers.get_all(header::SET_COOKIE).iter().all(|c| !c.to_str().unwrap().contains("session")));
    }
    let foreign = Request::post("/login")
        .header(header::ORIGIN, "https://evil.example")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(format!("csrf={csrf}&name=lin&password=x")))
        .unwrap();
    assert_eq!(browser.send(foreign).await.status, StatusCode::FORBIDDEN);
    let plain = Request::post("/login").header(header::CONTENT_TYPE, "text/plain").body(Body::from("csrf=x")).unwrap();
    assert_eq!(browser.send(plain).await.status, StatusCode::BAD_REQUEST);
    let large = form("/login", [("csrf", "x".repeat(300_000).as_str())], Some("same-origin"));
    assert_eq!(browser.send(large).await.status, StatusCode::PAYLOAD_TOO_LARGE);

    // An old browser that says nothing of where the form is from has the token.
    let silent = form("/login", fields.into_iter().chain([("csrf", &*csrf)]), None);
    assert_eq!(browser.send(silent).await.status, StatusCode::SEE_OTHER);

    // A token from before signing in is of no use after it.
    let stale = form("/settings/tokens", [("csrf", &*csrf), ("name", "x"), ("role", "write")], Some("same-origin"));
    assert_eq!(browser.send(stale).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn every_answer_has_the_headers() {
    let hub = Hub::new("http://hub.example").await;
    let browser = hub.browser();
    for path in ["/", "/models", "/login", "/nobody", "/no/thing", "/assets/none", "/a/b/c/d/e", "/%ff/x"] {
        let page = browser.get(path).await;
        let csp = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(csp.starts_with("default-src 'none';") && !csp.contains("unsafe"), "{path}: {csp}");
        assert_eq!(page.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(page.headers[header::REFERRER_POLICY], "same-origin", "{path}");
    }
    let insecure = browser.get("/").await;
    assert!(insecure.headers.get(header::SET_COOKIE).is_none(), "the form cookie is set once");
    assert!(!browser.cookies.borrow().is_empty());
}

#[tokio::test]
async fn each_visitor_reads_their_language() {
    let hub = Hub::new("http://hub.example").await;
    let mut browser = hub.browser();
    browser.language = "zh-TW,zh;q=0.9";
    assert!(browser.get("/nobody").await.html.contains("沒有這個頁面"));
    let done = browser.submit("/", "/language", &[("lang", "zh-Hans"), ("next", "/models?sort=likes")]).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/models?sort=likes"));
    let page = browser.get("/nobody").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.html.contains("<html lang=\"zh-Hans\">") && page.html.contains("没有这个页面"));
    let away = browser.submit("/", "/language", &[("lang", "en"), ("next", "//evil.example")]).await;
    assert_eq!(away.location(), "/");
}

#[tokio::test]
async fn a_repository_is_made_and_seen_by_those_who_may() {
    let hub = Hub::new("http://hub.example").await;
    add_person(&hub, "lin").await;
    add_person(&hub, "ming").await;
    let (lin, ming, stranger) = (hub.browser(), hub.browser(), hub.browser());
    lin.sign_in("lin").await;
    ming.sign_in("ming").await;

    assert!(stranger.get("/").await.html.contains("hf upload"), "an empty hub says how to begin");
    let refused = stranger.get("/new").await;
    assert_eq!((refused.status, refused.location()), (StatusCode::SEE_OTHER, "/login?next=%2Fnew"));

    let fields = |name, visibility| {
        [("type", "model"), ("owner", "lin"), ("name", name), ("visibility", visibility), ("licence", "mit")]
    };
    let bad = lin.submit("/new", "/new", &fields("a--b", "public")).await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(bad.html.contains("aria-invalid=\"true\"") && bad.html.contains("<title>Error: "));
    let made = lin.submit("/new", "/new", &fields("open", "public")).await;
    assert_eq!((made.status, made.location()), (StatusCode::SEE_OTHER, "/lin/open"));
    let again = lin.submit("/new", "/new", &fields("open", "public")).await;
    assert!(again.html.contains("lin already has a repository named open"), "{}", again.status);
    lin.submit("/new", "/new", &fields("secret", "private")).await;
    let forbidden = ming.submit("/new", "/new", &fields("intruder", "public")).await;
    assert!(forbidden.status.is_client_error(), "{}", forbidden.status);

    for below in ["", "/tree/main", "/blob/main/README.md", "/commits/main", "/discussions"] {
        let (open, secret) = (format!("/lin/open{below}"), format!("/lin/secret{below}"));
        assert_eq!(stranger.get(&open).await.status, StatusCode::OK, "{open}");
        assert_eq!(lin.get(&secret).await.status, StatusCode::OK, "{secret}");
        for browser in [&stranger, &ming] {
            let hidden = browser.get(&secret).await;
            let absent = browser.get(&format!("/lin/absent{below}")).await;
            assert_eq!((hidden.status, absent.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
            assert_eq!(
                strip(&hidden.html.replace("secret", "absent")),
                strip(&absent.html),
                "a page must not tell the difference",
            );
        }
    }
    for page in ["/", "/models", "/lin", "/models?search=secret"] {
        assert!(!stranger.get(page).await.html.contains("/lin/secret"), "{page}");
        assert!(lin.get(page).await.html.contains("/lin/secret"), "{page}");
    }
    assert!(stranger.get("/lin/open").await.html.contains(">mit</a>"));
    for path in ["/lin/open/tree/nope", "/lin/open/blob/main/nope", "/lin/open/tree/main/nope", "/lin/open.git"] {
        assert_eq!(stranger.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(stranger.get("/lin/open/tree/main/README.md").await.location(), "/lin/open/blob/main/README.md");
}

/// What differs between two visits of one page: tokens and where it is.
fn strip(html: &str) -> String {
    let mut out = String::new();
    for (i, part) in html.split("name=\"csrf\" value=\"").enumerate() {
        out.push_str(if i == 0 { part } else { part.split_once('"').map_or("", |(_, rest)| rest) });
    }
    out
}

#[tokio::test]
async fn a_bucket_is_seen_by_those_who_may() {
    use haina_app::buckets::{Action, NewBucket, Operation};
    let hub = Hub::new("http://hub.example").await;
    add_person(&hub, "lin").await;
    let token = hub.app.add_token(&"lin".parse().unwrap(), "t", haina_types::TokenRole::Write).await.unwrap();
    let lin = hub.app.caller_by_token(&token.secret).await.unwrap();
    for (name, visibility) in [("open", haina_types::Visibility::Public), ("shut", haina_types::Visibility::Private)] {
        let new = NewBucket { namespace: None, name: name.parse().unwrap(), visibility: Some(visibility), group: None };
        let path = hub.app.create_bucket(&lin, new).await.unwrap().path;
        let access = hub.app.write_bucket(&lin, &path).await.unwrap();
        let put = |path: &str| Operation {
            path: path.into(),
            action: Action::Put { hash: "0".repeat(64), mtime: Some(0), content_type: None, from: None },
        };
        let done =
            hub.app.change_bucket(&lin, &access, &[put("a b.txt"), put("runs/模型/x.bin"), put("runs_old")]).await;
        assert!(done.unwrap().failed.is_empty());
    }
    let nobody = hub.browser();
    let page = nobody.get("/buckets/lin/open").await;
    assert_eq!(page.status, StatusCode::OK);
    for link in ["/buckets/lin/open/resolve/a%20b.txt", "/buckets/lin/open/tree/runs\"", "hf://buckets/lin/open"] {
        assert!(page.html.contains(link), "{link} in {}", page.html);
    }
    let page = nobody.get("/buckets/lin/open/tree/runs").await;
    assert!(page.html.contains("/buckets/lin/open/tree/runs/%E6%A8%A1%E5%9E%8B") && !page.html.contains("runs_old"));
    assert!(nobody.get("/buckets/lin/open/tree/a%20b.txt").await.html.contains("/resolve/a%20b.txt"));
    for missing in
        ["/buckets/lin/open/tree/none", "/buckets/lin/shut", "/buckets/lin/shut/tree/runs", "/buckets/lin/none"]
    {
        assert_eq!(nobody.get(missing).await.status, StatusCode::NOT_FOUND, "{missing}");
    }
    let profile = nobody.get("/lin").await.html;
    assert!(profile.contains("lin/open") && !profile.contains("lin/shut"));
}

#[tokio::test]
async fn tokens_are_shown_once_and_revoked() {
    let hub = Hub::new("http://hub.example").await;
    add_person(&hub, "lin").await;
    let browser = hub.browser();
    browser.sign_in("lin").await;
    let page = "/settings/tokens";
    let bad = browser.submit(page, page, &[("name", "ci"), ("role", "fineGrained"), ("scopes", "lin/x fly")]).await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(bad.html.contains("lin/x fly"), "typed text is kept");
    let made = browser.submit(page, page, &[("name", "ci <1>"), ("role", "write")]).await;
    assert_eq!(made.status, StatusCode::OK);
    assert_eq!(made.headers[header::CACHE_CONTROL], "no-store");
    let secret = made.html.split("<code translate=\"no\">hf_").nth(1).and_then(|t| t.split('<').next()).unwrap();
    let secret = format!("hf_{secret}");
    assert_eq!(hub.app.caller_by_token(&secret).await.unwrap().user().unwrap().name.as_str(), "lin");

    let list = browser.get(page).await;
    assert!(!list.html.contains(&secret) && list.html.contains("ci &#60;1&#62;"), "{}", list.html);
    let id = list.html.split("name=\"id\" value=\"").nth(1).and_then(|t| t.split('"').next()).unwrap();
    let gone = browser.submit(page, "/settings/tokens/revoke", &[("id", id)]).await;
    assert_eq!(gone.location(), "/settings/tokens?revoked=1");
    assert!(hub.app.caller_by_token(&secret).await.is_err());
    assert_eq!(hub.browser().get(page).await.location(), "/login?next=%2Fsettings%2Ftokens");
}

#[tokio::test]
async fn keys_are_added_and_removed() {
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti lin@<lab>";
    let hub = Hub::new("http://hub.example").await;
    for name in ["lin", "mo"] {
        add_person(&hub, name).await;
    }
    let (lin, mo) = (hub.browser(), hub.browser());
    lin.sign_in("lin").await;
    mo.sign_in("mo").await;
    let page = "/settings/keys";
    for bad in ["", "ssh-dss AAAA", "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0"] {
        let answer = lin.submit(page, page, &[("name", ""), ("key", bad)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
        assert!(!answer.html.contains("c2VjcmV0"), "a private key is not shown again");
    }
    assert_eq!(lin.submit(page, page, &[("name", ""), ("key", KEY)]).await.location(), "/settings/keys?added=1");
    let taken = mo.submit(page, page, &[("name", ""), ("key", KEY)]).await;
    assert_eq!(taken.status, StatusCode::UNPROCESSABLE_ENTITY);

    let list = lin.get(page).await;
    assert!(list.html.contains("lin@&#60;lab&#62;") && list.html.contains("SHA256:UCUiLr7Pjs9w"), "{}", list.html);
    let id = list.html.split("name=\"id\" value=\"").nth(1).and_then(|t| t.split('"').next()).unwrap();
    assert_eq!(mo.submit(page, "/settings/keys/remove", &[("id", id)]).await.status, StatusCode::NOT_FOUND);
    let gone = lin.submit(page, "/settings/keys/remove", &[("id", id)]).await;
    assert_eq!(gone.location(), "/settings/keys?removed=1");
    assert_eq!(mo.submit(page, page, &[("name", "mine"), ("key", KEY)]).await.location(), "/settings/keys?added=1");
    assert_eq!(hub.browser().get(page).await.location(), "/login?next=%2Fsettings%2Fkeys");
}

#[tokio::test]
async fn accounts_are_made_as_the_hub_allows() {
    let hub = Hub::new("http://hub.example").await;
    let fields = |name| [("name", name), ("password", PASSWORD), ("full_name", ""), ("email", "")];

    let secret = hub.app.open_setup().await.unwrap().unwrap();
    let browser = hub.browser();
    let setup = format!("/setup?token={secret}");
    let done = browser.submit(&setup, "/setup", &[("name", "root"), ("password", PASSWORD), ("token", &secret)]).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/"));
    assert!(browser.get("/").await.html.contains("href=\"/root\""), "signed in at once");
    assert!(hub.browser().get(&setup).await.html.contains("This set-up link was used"));

    let joined = hub.browser().submit("/join", "/join", &fields("lin")).await;
    assert_eq!(joined.status, StatusCode::SEE_OTHER, "{}", joined.html);
    for (name, words) in [("Lin", "taken"), ("api", "reserved"), ("a b", "does not follow the rule")] {
        let page = hub.browser().submit("/join", "/join", &fields(name)).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        assert!(page.html.contains(words), "{name}");
    }
    hub.app.set_signup_mode(Signup::Closed).await.unwrap();
    assert!(!hub.browser().get("/join").await.html.contains("action=\"/join\""));
    hub.app.set_signup_mode(Signup::Invite).await.unwrap();
    assert!(!hub.browser().get("/join").await.html.contains("action=\"/join\""));
    let invite = hub.app.invite(None, 7).await.unwrap();
    let mut form = fields("ming").to_vec();
    form.push(("invite", &invite));
    let link = format!("/join?invite={invite}");
    assert_eq!(hub.browser().submit(&link, "/join", &form).await.status, StatusCode::SEE_OTHER);
    form[0].1 = "hong";
    let used = hub.browser().submit(&link, "/join", &form).await;
    assert!(used.html.contains("The invitation is wrong, used or expired"), "{}", used.status);
    hub.app
        .add_user(NewUser { name: "op".parse().unwrap(), full_name: None, email: None, admin: false })
        .await
        .unwrap();
    assert_eq!(hub.browser().get("/op").await.status, StatusCode::OK);
}

#[tokio::test]
async fn people_talk_and_merge_on_pages() {
    use haina_app::history::CommitHeader;
    use haina_types::{RepoKind, RepoPath, Revision};

    let hub = Hub::new("http://hub.example").await;
    add_person(&hub, "lin").await;
    add_person(&hub, "ming").await;
    let (lin, ming, stranger) = (hub.browser(), hub.browser(), hub.browser());
    lin.sign_in("lin").await;
    ming.sign_in("ming").await;
    let fields = [("type", "model"), ("owner", "lin"), ("name", "open"), ("visibility", "public"), ("licence", "mit")];
    lin.submit("/new", "/new", &fields).await;
    let (list, new) = ("/lin/open/discussions", "/lin/open/discussions/new");

    assert!(stranger.get(list).await.html.contains("Sign in to take part"));
    assert_eq!(stranger.get(new).await.location(), "/login?next=%2Flin%2Fopen%2Fdiscussions%2Fnew");
    let bad = ming.submit(new, list, &[("title", " "), ("text", "kept <text>")]).await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(bad.html.contains("kept &#60;text&#62;"));
    let made = ming.submit(new, list, &[("title", "A <question>"), ("text", "**Why**? <script>1</script>")]).await;
    assert_eq!((made.status, made.location()), (StatusCode::SEE_OTHER, "/lin/open/discussions/1"));
    let one = "/lin/open/discussions/1";
    let page = stranger.get(one).await;
    assert!(page.html.contains("<strong>Why</strong>") && !page.html.contains("<script>1"), "{}", page.html);
    assert!(page.html.contains("A &#60;question&#62;") && !page.html.contains("name=\"do\""));
    // An answer is at its own place, as clients derive it from its id.
    let said = lin.submit(one, one, &[("do", "comment"), ("text", "Because.")]).await;
    let (path, event) = said.location().split_once('#').unwrap();
    assert_eq!((path, event.len()), (one, 24));
    assert!(lin.get(one).await.html.contains(&format!("<li id=\"{event}\">")));
    // Others' words are not ming's to change.
    assert_eq!(ming.submit(one, one, &[("do", "hide"), ("event", event)]).await.status, StatusCode::FORBIDDEN);
    let edit = [("do", "edit"), ("event", event), ("text", "Because *so*.")];
    assert_eq!(lin.submit(one, one, &edit).await.status, StatusCode::SEE_OTHER);
    assert!(stranger.get(one).await.html.contains("1 earlier version"));
    lin.submit(one, one, &[("do", "hide"), ("event", event)]).await;
    let page = stranger.get(one).await;
    assert!(page.html.contains("This comment has been hidden") && !page.html.contains("Because"));
    assert_eq!(ming.submit(one, one, &[("do", "close"), ("text", "")]).await.status, StatusCode::SEE_OTHER);
    let again = ming.submit(one, one, &[("do", "comment"), ("text", " ")]).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!stranger.get(list).await.html.contains(one));
    assert!(stranger.get(&format!("{list}?status=closed")).await.html.contains(one));
    for path in ["/lin/open/discussions/2", "/lin/open/discussions/x", "/lin/open/discussions/1/files"] {
        assert_eq!(stranger.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }

    // A pull request, with a file whose lines are shown.
    let app = &hub.app;
    let session = ming.cookies.borrow()["haina_session"].clone();
    let caller = app.caller_by_session(&session).await.unwrap();
    let path: RepoPath = "lin/open".parse().unwrap();
    let talk = app.talk(&caller, RepoKind::Model, &path).await.unwrap();
    let header = CommitHeader { summary: "Add notes".into(), ..CommitHeader::default() };
    let mut writer = app.begin_new_pull(&talk, &Revision::main(), header).await.unwrap();
    writer.put_file("notes.txt", b"one\n<two>\n".to_vec()).await.unwrap();
    assert_eq!(writer.finish().await.unwrap().opened, Some(2));
    let (two, files) = ("/lin/open/discussions/2", "/lin/open/discussions/2/files");
    let changes = stranger.get(files).await;
    assert!(changes.html.contains("<span class=\"add\">+&#60;two&#62;"), "{}", changes.html);
    assert!(
        lin.get(two).await.html.contains("value=\"merge\"") && !ming.get(two).await.html.contains("value=\"merge\"")
    );
    assert_eq!(ming.submit(two, two, &[("do", "merge"), ("text", "")]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(lin.submit(two, two, &[("do", "merge"), ("text", "Thanks")]).await.location(), two);
    assert!(stranger.get(two).await.html.contains("Merged"));
    assert!(stranger.get("/lin/open/tree/main").await.html.contains("notes.txt"));
    let twice = lin.submit(two, two, &[("do", "merge"), ("text", "kept")]).await;
    assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(twice.html.contains("merged already") && twice.html.contains(">kept</textarea>"));
}

#[tokio::test]
async fn likes_follows_and_who_may() {
    let hub = Hub::new("http://hub.example").await;
    add_person(&hub, "lin").await;
    add_person(&hub, "mei").await;
    let (lin, mei, nobody) = (hub.browser(), hub.browser(), hub.browser());
    lin.sign_in("lin").await;
    mei.sign_in("mei").await;
    for (name, visibility) in [("open", "public"), ("closed", "private")] {
        let fields = [("type", "model"), ("owner", "lin"), ("name", name), ("visibility", visibility)];
        assert_eq!(lin.submit("/new", "/new", &fields).await.status, StatusCode::SEE_OTHER);
    }
    let done = mei.submit("/lin/open", "/lin/open/like", &[("on", "1")]).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/lin/open"));
    let page = mei.get("/lin/open").await;
    assert!(page.html.contains("Take the like back") && page.html.contains("1 like"));
    assert!(nobody.get("/lin/open/likers").await.html.contains(">mei<"));
    assert!(nobody.get("/mei?list=likes").await.html.contains("/lin/open"));
    assert!(nobody.get("/lin/open").await.html.contains("/login?next="), "a stranger is led to sign in");
    mei.submit("/lin/open", "/lin/open/like", &[("on", "0")]).await;
    assert!(mei.get("/lin/open/likers").await.html.contains("Nobody likes this yet"));
    // What one may not know cannot be liked, and neither can anything from another site or by nobody.
    assert_eq!(mei.submit("/lin/open", "/lin/closed/like", &[("on", "1")]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(mei.get("/lin/closed/likers").await.status, StatusCode::NOT_FOUND);
    let csrf = mei.get("/lin/open").await.csrf();
    let foreign = mei.send(form("/lin/open/like", [("on", "1"), ("csrf", &csrf)], Some("cross-site"))).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    assert_eq!(nobody.submit("/lin/open", "/lin/open/like", &[("on", "1")]).await.status, StatusCode::UNAUTHORIZED);

    let done = mei.submit("/lin", "/settings/follow", &[("name", "lin"), ("on", "1")]).await;
    assert_eq!(done.location(), "/lin");
    let page = mei.get("/lin").await;
    assert!(page.html.contains("1 follower") && page.html.contains("Stop following"));
    assert!(nobody.get("/lin?list=followers").await.html.contains(">mei<"));
    assert!(nobody.get("/mei?list=following").await.html.contains(">lin<"));
    assert!(!lin.get("/lin").await.html.contains("/settings/follow"), "one does not follow oneself");
    assert_eq!(
        mei.submit("/lin", "/settings/follow", &[("name", "no one"), ("on", "1")]).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_collection_by_forms() {
    let hub = Hub::new("http://hub.example").await;
    add_person(&hub, "lin").await;
    add_person(&hub, "mei").await;
    let (lin, mei) = (hub.browser(), hub.browser());
    lin.sign_in("lin").await;
    mei.sign_in("mei").await;
    lin.submit("/new", "/new", &[("type", "model"), ("owner", "lin"), ("name", "m"), ("visibility", "public")]).await;
    let fields = [("owner", "lin"), ("title", "Good things"), ("description", "A line"), ("visibility", "public")];
    let made = lin.submit("/collections/new", "/collections/new", &fields).await;
    let at = made.location().trim_end_matches("?edit=1").to_owned();
    assert!(at.starts_with("/collections/lin/good-things-"), "{at}");
    let taken = lin.submit("/collections/new", "/collections/new", &fields).await;
    assert_eq!(taken.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(taken.html.contains("already have a collection with this title"));

    let edit = format!("{at}?edit=1");
    for item in [("model", "lin/m"), ("paper", "2311.12983")] {
        let fields = [("do", "add"), ("type", item.0), ("id", item.1), ("note", "*good* <script>alert(1)</script>")];
        assert_eq!(lin.submit(&edit, &at, &fields).await.status, StatusCode::SEE_OTHER);
    }
    let page = mei.get(&at).await;
    assert!(page.html.contains("<em>good</em>") && !page.html.contains("<script>alert"));
    assert!(page.html.contains("href=\"/lin/m\"") && page.html.contains("arXiv:2311.12983"));
    assert!(!page.html.contains("edit=1"), "only its owner is offered to change it");
    let missing = lin.submit(&edit, &at, &[("do", "add"), ("type", "dataset"), ("id", "lin/m")]).await;
    assert_eq!(missing.status, StatusCode::UNPROCESSABLE_ENTITY);
    for fields in [
        &[("do", "delete")][..],
        &[("do", "change"), ("title", "Mine")],
        &[("do", "add"), ("type", "model"), ("id", "lin/m")],
    ] {
        assert_eq!(mei.submit(&at, &at, fields).await.status, StatusCode::FORBIDDEN, "{fields:?}");
    }
    mei.submit(&at, &at, &[("do", "vote"), ("on", "1")]).await;
    assert!(mei.get("/collections?sort=upvotes").await.html.contains("1 vote"));

    let item = lin.get(&edit).await.html.split("name=\"item\" value=\"").nth(1).unwrap()[..24].to_owned();
    lin.submit(&edit, &at, &[("do", "move"), ("item", &item), ("position", "1")]).await;
    let page = lin.get(&at).await.html;
    assert!(page.find("arXiv").unwrap() < page.find("href=\"/lin/m\"").unwrap());
    lin.submit(&edit, &at, &[("do", "note"), ("item", &item), ("note", "")]).await;
    lin.submit(&edit, &at, &[("do", "remove"), ("item", &item)]).await;
    assert!(!lin.get(&at).await.html.contains("href=\"/lin/m\""));
    let fields = [("do", "change"), ("title", "新标题"), ("description", ""), ("visibility", "private")];
    let changed = lin.submit(&edit, &at, &fields).await;
    assert!(changed.location().starts_with("/collections/lin/") && !changed.location().contains("good"));
    assert_eq!(mei.get(&at).await.status, StatusCode::NOT_FOUND);
    assert!(!mei.get("/collections").await.html.contains("新标题"));
    assert!(lin.get("/lin").await.html.contains("新标题"));
    let gone = lin.submit(&edit, &at, &[("do", "delete")]).await;
    assert!(lin.get(gone.location()).await.html.contains("The collection was deleted"));
    assert_eq!(lin.get(&at).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn webhooks_by_forms() {
    let hub = Hub::new("http://hub.example").await;
    add_person(&hub, "lin").await;
    add_person(&hub, "mei").await;
    let (lin, mei, nobody) = (hub.browser(), hub.browser(), hub.browser());
    lin.sign_in("lin").await;
    mei.sign_in("mei").await;
    assert!(nobody.get("/settings/webhooks").await.location().starts_with("/login"));
    let list = "/settings/webhooks";
    for (url, watched, words) in [
        ("http://127.0.0.1/x", "user lin", "public Internet"),
        ("https://hook.example/", "lin", "Write one thing a line"),
        ("https://hook.example/", "user a b", "is not a name"),
    ] {
        let refused = lin.submit(list, list, &[("url", url), ("watched", watched), ("repo", "1")]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.html.contains(words) && refused.html.contains(url), "{words}");
    }
    let fields =
        [("url", "https://hook.invalid/"), ("watched", "user lin\nmodel lin/m"), ("repo", "1"), ("secret", "abc")];
    let made = lin.submit(list, list, &fields).await;
    let at = made.location().to_owned();
    assert!(lin.get(list).await.html.contains(&at));
    assert!(!mei.get(list).await.html.contains("hook.invalid"));
    assert_eq!(mei.get(&at).await.status, StatusCode::NOT_FOUND);
    assert_eq!(mei.submit(list, &at, &[("do", "delete")]).await.status, StatusCode::NOT_FOUND);

    lin.submit("/new", "/new", &[("type", "model"), ("owner", "lin"), ("name", "m"), ("visibility", "public")]).await;
    while hub.app.read_outbox().await.unwrap() > 0 {}
    let page = lin.get(&at).await;
    assert!(page.html.contains("repo.content update") && page.html.contains("Waiting"));
    let one = page.html.split(&format!("{at}/deliveries/")).nth(1).unwrap()[..24].to_owned();
    let delivery = format!("{at}/deliveries/{one}");
    assert!(lin.get(&delivery).await.html.contains("&#34;lin/m&#34;"));
    assert_eq!(mei.get(&delivery).await.status, StatusCode::NOT_FOUND);
    assert_eq!(mei.submit(list, &delivery, &[]).await.status, StatusCode::NOT_FOUND);
    let again = lin.submit(&delivery, &delivery, &[]).await;
    assert!(again.location().starts_with(&at) && again.location() != delivery);

    lin.submit(&at, &at, &[("do", "disable")]).await;
    let page = lin.get(&at).await;
    assert!(page.html.contains("Switched off") && page.html.contains("Not sent"));
    lin.submit(&at, &at, &[("do", "enable")]).await;
    let fields = [("do", "change"), ("url", "https://other.invalid/"), ("watched", "org lab"), ("discussion", "1")];
    let saved = lin.submit(&at, &at, &fields).await;
    let page = lin.get(saved.location()).await;
    assert!(
        page.html.contains("Saved.") && page.html.contains("https://other.invalid/") && page.html.contains("org lab")
    );
    lin.submit(&at, &at, &[("do", "delete")]).await;
    assert_eq!(lin.get(&at).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_repository_is_gated_renamed_and_deleted_by_forms() {
    let hub = Hub::new("http://hub.example").await;
    for name in ["lin", "wei", "chen"] {
        add_person(&hub, name).await;
    }
    let (owner, guest, nobody) = (hub.browser(), hub.browser(), hub.browser());
    owner.sign_in("lin").await;
    guest.sign_in("wei").await;
    let new = [("type", "model"), ("owner", "lin"), ("name", "m"), ("visibility", "public")];
    assert_eq!(owner.submit("/new", "/new", &new).await.location(), "/lin/m");
    let (settings, access) = ("/lin/m/settings", "/lin/m/access");

    // Only the owner sees the settings and may change them.
    assert!(owner.get("/lin/m").await.html.contains("href=\"/lin/m/settings\""));
    assert!(!guest.get("/lin/m").await.html.contains("/lin/m/settings"));
    assert_eq!(guest.get(settings).await.status, StatusCode::FORBIDDEN);
    let gate = [("action", "gating"), ("gating", "manual")];
    assert_eq!(guest.submit("/lin/m", settings, &gate).await.status, StatusCode::FORBIDDEN);
    assert!(nobody.get(settings).await.location().starts_with("/login"));
    assert_eq!(owner.submit(settings, settings, &gate).await.location(), "/lin/m/settings?saved=1");
    assert!(owner.get("/lin/m/settings?saved=1").await.html.contains("The settings were saved."));

    // Before the gate one sees the list of files, and is sent to ask for what is in them.
    let page = guest.get("/lin/m").await;
    assert!(page.html.contains("given on request") && page.html.contains("href=\"/lin/m/access\""));
    assert_eq!(guest.get("/lin/m/tree/main").await.status, StatusCode::OK);
    assert_eq!(guest.get("/lin/m/blob/main/.gitattributes").await.location(), access);
    assert!(nobody.get(access).await.html.contains("Sign in to ask for access."));
    assert_eq!(guest.submit(access, access, &[("action", "ask")]).await.location(), access);
    assert!(guest.get(access).await.html.contains("have not decided yet"));
    // Nobody lets themselves in.
    let asked = owner.get(access).await.html;
    let id = asked.split("name=\"request\" value=\"").nth(1).and_then(|t| t.split('"').next()).unwrap().to_owned();
    assert!(asked.contains("wei@example.org"));
    let accept = [("action", "accept"), ("request", id.as_str()), ("status", "pending")];
    assert_eq!(guest.submit(access, access, &accept).await.status, StatusCode::FORBIDDEN);
    assert_eq!(guest.get("/lin/m/blob/main/.gitattributes").await.location(), access);

    assert_eq!(owner.submit(access, access, &accept).await.status, StatusCode::SEE_OTHER);
    assert_eq!(guest.get("/lin/m/blob/main/.gitattributes").await.status, StatusCode::OK);
    let reject = [("action", "reject"), ("request", id.as_str()), ("status", "accepted"), ("reason", "<b>enough")];
    owner.submit(access, access, &reject).await;
    let refused = guest.get(access).await.html;
    assert!(refused.contains("rejected by the owners") && !refused.contains("<b>enough"));
    let grant = |user| [("action", "grant"), ("user", user), ("status", "pending")];
    let unknown = owner.submit(access, access, &grant("no-such")).await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(unknown.html.contains("There is no user no-such"));
    assert_eq!(owner.submit(access, access, &grant("chen")).await.status, StatusCode::SEE_OTHER);

    // Another name; the old one leads on.
    let name = |name| [("action", "move"), ("owner", "lin"), ("name", name)];
    let bad = owner.submit(settings, settings, &name("a--b")).await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(owner.submit(settings, settings, &name("n")).await.location(), "/lin/n/settings?saved=1");
    assert_eq!(owner.get("/lin/m").await.location(), "/lin/n");
    // Deleted only by who types its name.
    let settings = "/lin/n/settings";
    let wrong = owner.submit(settings, settings, &[("action", "delete"), ("confirm", "lin/m")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.html.contains("To delete it, type lin/n"));
    owner.submit(settings, settings, &[("action", "delete"), ("confirm", "lin/n")]).await;
    assert_eq!(owner.get("/lin/n").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_happened_is_shown_to_those_who_answer_for_it() {
    let hub = Hub::new("https://hub.example").await;
    for name in ["lin", "mei"] {
        add_person(&hub, name).await;
    }
    let org =
        haina_app::people::NewOrg { name: "lab".parse().unwrap(), full_name: None, owner: "lin".parse().unwrap() };
    hub.app.add_org(org).await.unwrap();
    let (lin, mei, nobody) = (hub.browser(), hub.browser(), hub.browser());
    lin.sign_in("lin").await;
    mei.sign_in("mei").await;
    let made = [("owner", "lin"), ("name", "x"), ("type", "model"), ("visibility", "private")];
    let to = lin.submit("/new", "/new", &made).await;
    assert_eq!(to.status, StatusCode::SEE_OTHER, "{}", to.html);
    let page = lin.get("/lin/x/settings/audit-log").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.html.contains("Made a repository") && page.html.contains("/api/models/lin/x/audit-log?format=csv"));
    assert!(lin.get("/lin/x/settings").await.html.contains("/lin/x/settings/audit-log"));
    assert_eq!(mei.get("/lin/x/settings/audit-log").await.status, StatusCode::NOT_FOUND);
    assert!(nobody.get("/lin/x/settings/audit-log").await.location().starts_with("/login?next="));
    let own = lin.get("/settings/audit-log?action=repo.*").await;
    assert!(own.html.contains("lin/x") && !own.html.contains("Made an account"));
    assert!(!mei.get("/settings/audit-log").await.html.contains("lin/x"));
    let org = lin.get("/organizations/lab/settings/audit-log").await;
    assert!(org.status == StatusCode::OK && org.html.contains("Made an organization"));
    assert!(lin.get("/lab").await.html.contains("/organizations/lab/settings/audit-log"));
    assert!(!mei.get("/lab").await.html.contains("/organizations/lab/settings/audit-log"));
    assert_eq!(mei.get("/organizations/lab/settings/audit-log").await.status, StatusCode::FORBIDDEN);
    assert_eq!(lin.get("/organizations/nobody/settings/audit-log").await.status, StatusCode::NOT_FOUND);
    // The first account of a hub does not administer it unless it was made by the link of the set-up.
    assert_eq!(lin.get("/admin/audit-log").await.status, StatusCode::FORBIDDEN);
    for wrong in ["since=soon", "target=a/b/c/d", "action=%22%3E"] {
        let page = lin.get(&format!("/settings/audit-log?{wrong}")).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    for (language, words) in [("zh-CN", "创建了仓库"), ("zh-TW", "建立了儲存庫")] {
        let reader = Browser { language, cookies: lin.cookies.clone(), ..hub.browser() };
        assert!(reader.get("/lin/x/settings/audit-log").await.html.contains(words), "{language}");
    }
}
