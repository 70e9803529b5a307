//! The hub as a provider of OAuth 2: races for secrets that count once, ends, and what becomes of grants.

use haina_app::oauth::{
    Authorize, AuthorizeRequest, Decision, Failure, NewApp, RegisteredApp, TokenAnswer, TokenRequest,
};
use haina_app::people::SignUp;
use haina_app::{App, Caller};
use haina_types::Code;

use crate::hub::{Hub, both};

const HF: &str = "26be6b09-91c5-47da-9861-d2d2bb7a7e36";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const CALLBACK: &str = "https://app.example/cb";
// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn person(app: &App, name: &str) -> Caller {
    let form = SignUp {
        name: name.into(),
        full_name: None,
        email: Some(format!("{name}@example.org")),
        password: "correct horse".into(),
        invite: None,
    };
    let session = app.sign_up(form).await.unwrap();
    app.caller_by_session(&session.secret).await.unwrap()
}

async fn application(hub: &Hub, device: bool) -> RegisteredApp {
    let redirect_uris = vec![CALLBACK.to_owned()];
    let new = NewApp { name: "Board".into(), redirect_uris, device, ..NewApp::default() };
    hub.app.add_app(new).await.unwrap()
}

fn asks(app: &RegisteredApp, scope: &str) -> AuthorizeRequest {
    AuthorizeRequest {
        client_id: app.client_id.clone(),
        redirect_uri: CALLBACK.into(),
        response_type: "code".into(),
        scope: scope.into(),
        code_challenge: CHALLENGE.into(),
        code_challenge_method: "S256".into(),
        ..AuthorizeRequest::default()
    }
}

/// A code that a person agreed to, as the application exchanges it.
async fn code(hub: &Hub, app: &RegisteredApp, who: &Caller, scope: &str) -> TokenRequest {
    let asked = asks(app, scope);
    assert!(matches!(hub.app.authorize(who, &asked).await.unwrap(), Authorize::Ask(_)));
    let back = hub.app.consent(who, &asked, true, false).await.unwrap();
    let code = back.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    TokenRequest {
        grant_type: "authorization_code".into(),
        client_id: Some(app.client_id.clone()),
        code: Some(code),
        redirect_uri: Some(CALLBACK.into()),
        code_verifier: Some(VERIFIER.into()),
        ..TokenRequest::default()
    }
}

fn refresh(secret: &Option<String>) -> TokenRequest {
    TokenRequest { grant_type: "refresh_token".into(), refresh_token: secret.clone(), ..TokenRequest::default() }
}

fn refused(answer: Result<TokenAnswer, Failure>) -> &'static str {
    match answer {
        Err(Failure::Refused(refusal)) => refusal.code,
        other => panic!("should have been refused: {other:?}"),
    }
}

/// The clock moves one second each time it is read.
async fn wait(hub: &Hub, who: &Caller, seconds: u32) {
    for _ in 0..seconds {
        hub.app.list_grants(who).await.unwrap();
    }
}

/// All at once: whoever got something.
async fn race(hub: &Hub, request: &TokenRequest) -> Vec<TokenAnswer> {
    let tasks = (0..8).map(|_| {
        let (app, request) = (hub.app.clone(), request.clone());
        tokio::spawn(async move { app.exchange_token(&request).await })
    });
    let mut won = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        match task.await.unwrap() {
            Ok(answer) => won.push(answer),
            Err(Failure::Refused(refusal)) => assert_eq!(refusal.code, "invalid_grant"),
            Err(Failure::Failed(e)) => panic!("{e:?}"),
        }
    }
    won
}

both! {
    async fn a_code_that_many_exchange_is_good_for_nobody(hub: Hub) {
        let alice = person(&hub.app, "alice").await;
        let app = application(&hub, false).await;
        let won = race(&hub, &code(&hub, &app, &alice, "openid read-repos").await).await;
        assert!(won.len() <= 1, "{}", won.len());
        for answer in won {
            assert!(hub.app.caller_by_token(&answer.access_token).await.is_err(), "the grant has ended");
        }
        assert!(hub.app.list_grants(&alice).await.unwrap().is_empty());
    }

    async fn a_refresh_token_that_many_use_is_good_for_nobody(hub: Hub) {
        let alice = person(&hub.app, "alice").await;
        let app = application(&hub, false).await;
        let first = hub.app.exchange_token(&code(&hub, &app, &alice, "read-repos offline_access").await).await.unwrap();
        assert!(first.id_token.is_none() && first.refresh_token.is_some());
        let won = race(&hub, &refresh(&first.refresh_token)).await;
        assert!(won.len() <= 1, "{}", won.len());
        for answer in won.iter().chain([&first]) {
            assert!(hub.app.caller_by_token(&answer.access_token).await.is_err(), "the grant has ended");
        }
    }

    async fn a_machine_that_many_ask_for_is_let_in_once(hub: Hub) {
        let alice = person(&hub.app, "alice").await;
        let started = hub.app.begin_device(HF, "", "a machine\r\n<b>").await.unwrap();
        let request = hub.app.device_request(&alice, &started.user_code).await.unwrap();
        assert_eq!((request.application.as_str(), request.agent.as_str()), ("hf", "a machine<b>"));
        hub.app.decide_device(&alice, &started.user_code, Decision::Approve { reading_only: false }).await.unwrap();
        let again = hub.app.decide_device(&alice, &started.user_code, Decision::Deny).await.unwrap_err();
        assert_eq!(again.code, Code::NotFound);
        let poll = TokenRequest {
            grant_type: DEVICE.into(),
            client_id: Some(HF.into()),
            device_code: Some(started.device_code),
            ..TokenRequest::default()
        };
        let won = race(&hub, &poll).await;
        assert_eq!(won.len(), 1);
        let caller = hub.app.caller_by_token(&won[0].access_token).await.unwrap();
        assert_eq!(caller.user().unwrap().name.as_str(), "alice");
        // An application's token is no way to more tokens, machines or applications.
        assert_eq!(hub.app.create_token(&caller, "x", haina_types::TokenRole::Read).await.unwrap_err().code, Code::Forbidden);
        let another = hub.app.begin_device(HF, "", "").await.unwrap();
        let e = hub.app.decide_device(&caller, &another.user_code, Decision::Approve { reading_only: true }).await;
        assert_eq!(e.unwrap_err().code, Code::Forbidden);
        assert_eq!(hub.app.register_app(&caller, NewApp::default()).await.unwrap_err().code, Code::Forbidden);
        // Nor is it in the list of a person's own.
        assert!(hub.app.list_tokens(&alice).await.unwrap().is_empty());
        let grants = hub.app.list_grants(&alice).await.unwrap();
        assert_eq!(grants.len(), 1);
        let bob = person(&hub.app, "bob").await;
        assert_eq!(hub.app.end_grant(&bob, grants[0].id).await.unwrap_err().code, Code::NotFound);
        hub.app.end_grant(&alice, grants[0].id).await.unwrap();
        assert!(hub.app.caller_by_token(&won[0].access_token).await.is_err());
        assert_eq!(refused(hub.app.exchange_token(&refresh(&won[0].refresh_token)).await), "invalid_grant");
    }

    async fn everything_ends_by_itself(hub: Hub) {
        let alice = person(&hub.app, "alice").await;
        let app = application(&hub, true).await;
        let late = code(&hub, &app, &alice, "openid").await;
        wait(&hub, &alice, 61).await;
        assert_eq!(refused(hub.app.exchange_token(&late).await), "invalid_grant");
        let started = hub.app.begin_device(&app.client_id, "read-repos", "").await.unwrap();
        let poll = TokenRequest {
            grant_type: DEVICE.into(),
            client_id: Some(app.client_id.clone()),
            device_code: Some(started.device_code),
            ..TokenRequest::default()
        };
        assert_eq!(refused(hub.app.exchange_token(&poll).await), "authorization_pending");
        assert_eq!(refused(hub.app.exchange_token(&poll).await), "slow_down");
        wait(&hub, &alice, 5).await;
        assert_eq!(refused(hub.app.exchange_token(&poll).await), "authorization_pending");
        wait(&hub, &alice, 900).await;
        assert_eq!(refused(hub.app.exchange_token(&poll).await), "expired_token");
        let gone = hub.app.device_request(&alice, &started.user_code).await.unwrap_err();
        assert_eq!(gone.code, Code::NotFound);
    }

    async fn an_application_that_is_removed_leaves_nothing(hub: Hub) {
        let alice = person(&hub.app, "alice").await;
        let app = application(&hub, false).await;
        let first = hub.app.exchange_token(&code(&hub, &app, &alice, "offline_access").await).await.unwrap();
        let waiting = code(&hub, &app, &alice, "openid").await;
        hub.app.remove_app(&app.client_id).await.unwrap();
        assert!(hub.app.caller_by_token(&first.access_token).await.is_err());
        assert_eq!(refused(hub.app.exchange_token(&waiting).await), "invalid_grant");
        assert_eq!(refused(hub.app.exchange_token(&refresh(&first.refresh_token)).await), "invalid_grant");
        assert_eq!(hub.app.remove_app(&app.client_id).await.unwrap_err().code, Code::NotFound);
    }
}
