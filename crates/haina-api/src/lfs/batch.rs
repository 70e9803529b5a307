//! `POST /{ns}/{name}.git/info/lfs/objects/batch`

use std::collections::{BTreeMap, HashSet};

use axum::extract::State;
use haina_app::App;
use haina_app::content::CasGrant;
use haina_app::gate::UploadAccess;
use haina_app::lfs::{ADDRESS_SECONDS, BATCH_OBJECTS_MAX, Object, Offer, Upload, parse_oid};
use haina_types::{Code, Error, Revision};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::answer::{Lfs, LfsError};
use super::{Target, Who};
use crate::answer::path as encode_path;
use crate::error::{Result, status};
use crate::request::Body;

/// Objects that a client has or wants.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct Batch {
    /// `upload` or `download`.
    operation: String,
    /// The ways of transfer that the client knows: `basic`, `multipart`, `xet`.
    #[serde(default)]
    transfers: Vec<String>,
    #[serde(default)]
    hash_algo: Option<String>,
    /// What is pushed to. Clients that open a pull request name none.
    #[serde(default, rename = "ref")]
    reference: Option<Reference>,
    #[serde(default)]
    objects: Vec<Asked>,
}

/// A reference.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct Reference {
    name: String,
}

/// One of them.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct Asked {
    oid: String,
    size: i64,
}

/// What to do with each.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BatchDone {
    /// The way of transfer.
    transfer: &'static str,
    objects: Vec<Told>,
    hash_algo: &'static str,
}

/// What to do with one.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Told {
    oid: String,
    size: i64,
    /// The addresses carry their own right.
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticated: Option<bool>,
    /// None when an upload is not needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    actions: Option<Actions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Refusal>,
}

/// Where to send an object, or where to fetch it.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub struct Actions {
    #[serde(skip_serializing_if = "Option::is_none")]
    download: Option<Step>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upload: Option<Step>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<Step>,
}

/// One request to make.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Step {
    href: String,
    /// Headers to send; of an upload in parts, the size of a part and the address of each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    header: BTreeMap<String, String>,
    expires_in: i64,
}

impl Step {
    fn to(href: String) -> Self {
        Self { href, header: BTreeMap::new(), expires_in: ADDRESS_SECONDS }
    }
}

/// Why an object is refused.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Refusal {
    code: u16,
    message: String,
}

impl Told {
    fn new(object: &Object) -> Self {
        // Only sizes that fit came in.
        let size = i64::try_from(object.size).unwrap_or(i64::MAX);
        Self { oid: object.oid.to_string(), size, authenticated: None, actions: None, error: None }
    }

    fn with(mut self, actions: Actions) -> Self {
        (self.authenticated, self.actions) = (Some(true), Some(actions));
        self
    }

    fn refused(mut self, e: &Error) -> Self {
        let code = match e.code {
            Code::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Code::EntryNotFound => StatusCode::NOT_FOUND,
            other => status(other),
        };
        self.error = Some(Refusal { code: code.as_u16(), message: e.message.clone() });
        self
    }
}

/// Reads objects, each once; those that nothing can be are answered at once.
fn parse(asked: Vec<Asked>) -> Result<(Vec<Object>, Vec<Told>)> {
    if asked.len() > BATCH_OBJECTS_MAX {
        let error = Error::new(Code::TooLarge, format!("A batch has at most {BATCH_OBJECTS_MAX} objects: split it."));
        return Err(error.into());
    }
    let (mut objects, mut refused, mut seen) = (Vec::with_capacity(asked.len()), Vec::new(), HashSet::new());
    for Asked { oid, size } in asked {
        let object = parse_oid(&oid).and_then(|oid| match u64::try_from(size) {
            Ok(size) => Ok(Object { oid, size }),
            Err(_) => Err(Error::invalid("An object's size is a number of bytes, not below zero.")),
        });
        match object {
            Ok(object) if seen.insert(object.oid) => objects.push(object),
            Ok(_) => {}
            Err(e) => {
                let told = Told { oid, size, authenticated: None, actions: None, error: None };
                refused.push(told.refused(&e));
            }
        }
    }
    Ok((objects, refused))
}

/// Says where large files go, or where they are. Those that the repository has already need no upload.
#[utoipa::path(post, path = "/{namespace}/{repo}/info/lfs/objects/batch", tag = "lfs", operation_id = "lfs_batch", request_body = Batch,
    params(("namespace" = String, Path), ("repo" = String, Path, description = "With or without `.git`")),
    responses((status = 200, description = "Done", body = BatchDone, content_type = "application/vnd.git-lfs+json"), (status = 400, description = "A value is wrong", body = LfsError), (status = 401, description = "Sign in first", body = LfsError),
        (status = 403, description = "Not allowed", body = LfsError), (status = 404, description = "Not there, or not to be known", body = LfsError), (status = 413, description = "More than the limit", body = LfsError)))]
pub async fn batch(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    headers: HeaderMap,
    Body(asked): Body<Batch>,
) -> Result<Lfs<BatchDone>> {
    // JavaScript's client writes it with a line.
    if asked.hash_algo.as_deref().is_some_and(|a| !matches!(a, "sha256" | "sha_256")) {
        return Err(Error::new(Code::Conflict, "The only algorithm is sha256.").into());
    }
    let offers = |way: &str| asked.transfers.iter().any(|t| t == way);
    let (transfer, objects) = match asked.operation.as_str() {
        "download" => {
            let access = app.read_content(&caller, target.kind, &target.path).await?;
            let (objects, refused) = parse(asked.objects)?;
            let advice = app.lfs_downloads(&access, &objects).await?;
            let told = objects.iter().zip(advice).map(|(object, advice)| match advice {
                Ok(href) => Told::new(object).with(Actions { download: Some(Step::to(href)), ..Actions::default() }),
                Err(e) => Told::new(object).refused(&e),
            });
            ("basic", told.chain(refused).collect())
        }
        "upload" => {
            let access = match asked.reference.map(|r| Revision::new(r.name)) {
                // For a pull request that is to be, or by somebody who may write anyway.
                None => app.push(&caller, target.kind, &target.path).await?.upload(),
                Some(to) if app.is_pull(&to) => {
                    app.pull_access(&caller, target.kind, &target.path, &to).await?.upload()
                }
                Some(_) => app.write(&caller, target.kind, &target.path).await?.upload(),
            };
            let way = match (offers("xet"), offers("multipart")) {
                (true, _) => Way::Xet(app.cas_write_grant(&access), headers.get("x-xet-session-id").cloned()),
                (false, true) => Way::Lfs(Offer::Parts),
                (false, false) => Way::Lfs(Offer::Whole),
            };
            let (objects, refused) = parse(asked.objects)?;
            let (transfer, mut told) = uploads(&app, &access, &objects, &way).await?;
            told.extend(refused);
            (transfer, told)
        }
        _ => return Err(Error::invalid("The operation must be \"upload\" or \"download\".").into()),
    };
    Ok(Lfs(StatusCode::OK, BatchDone { transfer, objects, hash_algo: "sha256" }))
}

/// How the objects of an upload travel.
enum Way {
    /// By the content store's own protocol, with this grant, in the client's session.
    Xet(CasGrant, Option<http::HeaderValue>),
    /// By addresses of ours.
    Lfs(Offer),
}

async fn uploads(app: &App, access: &UploadAccess, objects: &[Object], way: &Way) -> Result<(&'static str, Vec<Told>)> {
    let advice = app.lfs_missing(access, objects).await?;
    let is_missing = |a: &haina_app::lfs::Advice<bool>| matches!(a, Ok(true));
    let missing: Vec<Object> = objects.iter().zip(&advice).filter(|(_, a)| is_missing(a)).map(|(o, _)| *o).collect();
    let (transfer, steps): (_, Vec<Actions>) = match way {
        Way::Xet(grant, session) => ("xet", missing.iter().map(|_| by_xet(app, access, grant, session)).collect()),
        Way::Lfs(offer) => {
            let (in_parts, uploads) = app.lfs_uploads(access, &missing, *offer);
            (if in_parts { "multipart" } else { "basic" }, uploads.into_iter().map(by_lfs).collect())
        }
    };
    let mut steps = steps.into_iter();
    let told = objects.iter().zip(advice).map(|(object, advice)| match advice {
        Ok(false) => Told::new(object),
        // As many steps as objects are missing.
        Ok(true) => Told::new(object).with(steps.next().unwrap_or_default()),
        Err(e) => Told::new(object).refused(&e),
    });
    Ok((transfer, told.collect()))
}

fn by_xet(app: &App, access: &UploadAccess, grant: &CasGrant, session: &Option<http::HeaderValue>) -> Actions {
    let repo = access.repo();
    let id = encode_path(&repo.path().to_string());
    let query = if access.is_proposed() { "?create_pr=1" } else { "" };
    let mut step = Step::to(format!("{}/api/{}/{id}/xet-write-token/main{query}", app.base_url(), repo.kind.plural()));
    step.expires_in = haina_app::content::TOKEN_SECONDS;
    step.header = BTreeMap::from([
        ("X-Xet-Cas-Url".to_owned(), grant.cas_url.clone()),
        ("X-Xet-Access-Token".to_owned(), grant.token.clone()),
        ("X-Xet-Token-Expiration".to_owned(), grant.expires_at.to_string()),
    ]);
    if let Some(session) = session.as_ref().and_then(|s| s.to_str().ok()) {
        step.header.insert("X-Xet-Session-Id".to_owned(), session.to_owned());
    }
    Actions { upload: Some(step), ..Actions::default() }
}

fn by_lfs(upload: Upload) -> Actions {
    let (step, verify) = match upload {
        Upload::Whole { href, verify } => (Step::to(href), verify),
        Upload::Parts { part_bytes, parts, complete, verify } => {
            let mut step = Step::to(complete);
            // Five digits, so that the order of the keys is that of the parts.
            step.header = (1..).zip(parts).map(|(n, href)| (format!("{n:05}"), href)).collect();
            step.header.insert("chunk_size".to_owned(), part_bytes.to_string());
            (step, verify)
        }
    };
    Actions { upload: Some(step), verify: Some(Step::to(verify)), ..Actions::default() }
}
