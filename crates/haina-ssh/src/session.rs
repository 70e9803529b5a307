//! One session: one command, its input and output, and the status with which it ends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haina_app::App;
use haina_app::content::ByteStream;
use haina_app::git::{Ended, Service, Version};
use haina_app::lfs::Operation;
use haina_app::people::KeyHolder;
use haina_types::{Code, Error, Result};
use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::command::{Command, Place, Refusal};
use crate::connection::{Watched, log_fault};

/// How long a session may be open before it says what it is for.
const START: Duration = Duration::from_secs(60);
/// How long nothing may come from a client that is to say something: it may be making a pack.
const SILENCE: Duration = Duration::from_secs(600);
/// How long a client may take nothing of what is sent to it.
const UNREAD: Duration = Duration::from_secs(120);
/// Bytes that are handed over at once.
const PIECE_BYTES: usize = 32 << 10;

/// What a session is for.
#[derive(Debug)]
pub(crate) enum What {
    /// A command.
    Run(Command),
    /// A command that is not run.
    Refuse(Refusal),
    /// A shell, which there is not.
    Greet,
}

/// What a session's task is told when it begins.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) what: What,
    pub(crate) holder: Arc<KeyHolder>,
    /// The value of `GIT_PROTOCOL`.
    pub(crate) protocol: Option<String>,
    pub(crate) has_terminal: bool,
}

/// Serves one session, until it is done or the client is gone.
pub(crate) async fn run(
    app: App,
    watched: Arc<Watched>,
    channel: Channel<Msg>,
    start: oneshot::Receiver<Start>,
    gone: CancellationToken,
) {
    let serve = async move {
        let Ok(Ok(start)) = tokio::time::timeout(START, start).await else { return };
        let _busy = watched.busy();
        let Ok(_turn) = watched.turns.acquire().await else { return };
        let (from, to) = channel.split();
        let out = Out { to, has_terminal: start.has_terminal };
        let status = match serve(&app, start, from, &out).await {
            Ok(()) => 0,
            Err(refusal) => {
                if !refusal.words.is_empty() {
                    out.say(Some(1), &refusal.words).await;
                }
                refusal.status
            }
        };
        out.end(status).await;
    };
    tokio::select! {
        () = serve => {}
        () = gone.cancelled() => {}
    }
}

/// The way to the client.
struct Out {
    to: ChannelWriteHalf<Msg>,
    has_terminal: bool,
}

impl Out {
    /// Sends bytes; false if nobody takes them.
    async fn send(&self, bytes: Bytes, extended: Option<u32>) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            let sent = async {
                match extended {
                    None => self.to.data_bytes(piece).await,
                    Some(kind) => self.to.extended_data_bytes(kind, piece).await,
                }
            };
            if !matches!(tokio::time::timeout(UNREAD, sent).await, Ok(Ok(()))) {
                return false;
            }
        }
        true
    }

    /// Sends a line for the person.
    async fn say(&self, extended: Option<u32>, words: &str) {
        let end = if self.has_terminal { "\r\n" } else { "\n" };
        // Whoever is gone hears nothing.
        let _ = self.send(format!("{words}{end}").into(), extended).await;
    }

    async fn end(&self, status: u32) {
        let last = async {
            self.to.exit_status(status).await?;
            self.to.eof().await?;
            self.to.close().await
        };
        let _ = tokio::time::timeout(UNREAD, last).await;
    }
}

/// What comes from the client, as a stream that ends with it.
fn input(from: ChannelReadHalf) -> ByteStream {
    Box::pin(futures_util::stream::unfold(Some(from), |from| async {
        let mut from = from?;
        loop {
            match tokio::time::timeout(SILENCE, from.wait()).await {
                Ok(Some(ChannelMsg::Data { data })) if data.is_empty() => {}
                Ok(Some(ChannelMsg::Data { data })) => return Some((Ok(data), Some(from))),
                Ok(None | Some(ChannelMsg::Eof | ChannelMsg::Close)) => return None,
                Ok(Some(_)) => {}
                Err(_) => {
                    let e = Error::new(Code::Unavailable, "Nothing came for a while, so this connection is closed.");
                    return Some((Err(e), None));
                }
            }
        }
    }))
}

/// An error as the person at the other end sees it.
fn refusal(e: Error, status: u32) -> Refusal {
    log_fault("a command over SSH failed", &e);
    Refusal::new(status, e.message)
}

async fn serve(app: &App, start: Start, from: ChannelReadHalf, out: &Out) -> Result<(), Refusal> {
    let Start { what, holder, protocol, .. } = start;
    let command = match what {
        What::Refuse(refusal) => return Err(refusal),
        What::Greet => {
            let example = app.ssh_url().map(|url| format!("\u{20}For example: git clone {url}/namespace/name"));
            let words = format!(
                "Hello {}! You are known here, but there is no shell: SSH is for git and Git LFS.{}",
                holder.name(),
                example.unwrap_or_default()
            );
            out.say(None, &words).await;
            return Ok(());
        }
        What::Run(command) => command,
    };
    let version = protocol.as_deref().map_or(Version::V0, Version::of_header);
    match command {
        Command::LfsAuthenticate(place, operation) => authenticate(app, &holder, &place, operation, out).await,
        Command::Git(service, place) => {
            git(app, &holder, service, &place, version, from, out).await.map_err(|e| refusal(e, 128))?
        }
    }
}

async fn git(
    app: &App,
    holder: &KeyHolder,
    service: Service,
    place: &Place,
    version: Version,
    from: ChannelReadHalf,
    out: &Out,
) -> Result<Result<(), Refusal>> {
    // The account may have been closed, and the key removed, since this connection was made.
    let caller = app.caller_of_key(holder).await?;
    let (to, mut pieces) = mpsc::channel(1);
    let talk = async {
        match service {
            Service::UploadPack => {
                let access = app.read_content(&caller, place.kind, &place.path).await?;
                app.git_talk_fetch(&access, version, input(from), to).await
            }
            Service::ReceivePack => {
                let access = app.push(&caller, place.kind, &place.path).await?;
                app.git_talk_push(&access, version, input(from), to).await
            }
        }
    };
    let pump = async move {
        while let Some(piece) = pieces.recv().await {
            if !out.send(piece, None).await {
                // Dropping the other end tells whoever makes the pieces.
                return;
            }
        }
    };
    let (ended, ()) = tokio::join!(talk, pump);
    Ok(match ended? {
        Ended::Well => Ok(()),
        // It was said in the protocol.
        Ended::Refused => Err(Refusal::new(128, "")),
    })
}

async fn authenticate(
    app: &App,
    holder: &KeyHolder,
    place: &Place,
    operation: Operation,
    out: &Out,
) -> Result<(), Refusal> {
    let pass = app.lfs_pass(holder, place.kind, &place.path, operation).await.map_err(|e| refusal(e, 1))?;
    let answer = serde_json::json!({
        "href": pass.href,
        "header": { "Authorization": pass.authorization },
        "expires_in": pass.expires_in,
    });
    out.say(None, &answer.to_string()).await;
    Ok(())
}
