//! One connection: who it is, and the sessions that it opens. Nothing but sessions is ever opened.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use haina_app::App;
use haina_app::people::KeyHolder;
use haina_types::Error;
use russh::keys::{Algorithm, HashAlg, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::command::{self, Refusal};
use crate::session::{self, Start, What};

/// Sessions that a connection may have open at once, as in OpenSSH.
const SESSIONS_MAX: usize = 10;
/// Of these, how many are served at once; the others wait. Each may hold a request and a few pieces of a pack.
const SERVED_AT_ONCE: usize = 2;
/// Longest value of `GIT_PROTOCOL`.
const PROTOCOL_BYTES_MAX: usize = 255;

/// What the connection and those who watch over it share.
#[derive(Debug)]
pub(crate) struct Watched {
    known: AtomicBool,
    running: AtomicUsize,
    /// Turns in being served.
    pub(crate) turns: Semaphore,
}

impl Watched {
    pub(crate) fn new() -> Self {
        Self { known: AtomicBool::new(false), running: AtomicUsize::new(0), turns: Semaphore::new(SERVED_AT_ONCE) }
    }

    /// Whether it is known who is at the other end.
    pub(crate) fn is_known(&self) -> bool {
        self.known.load(Ordering::Acquire)
    }

    /// Whether nothing is being done.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.load(Ordering::Acquire) == 0
    }

    /// Until what is returned is dropped, something is being done.
    pub(crate) fn busy(self: &Arc<Self>) -> Busy {
        self.running.fetch_add(1, Ordering::AcqRel);
        Busy(self.clone())
    }
}

/// See [`Watched::busy`].
pub(crate) struct Busy(Arc<Watched>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A session that is open.
struct Open {
    /// Tells its task what to do; used once.
    start: Option<oneshot::Sender<Start>>,
    protocol: Option<String>,
    has_terminal: bool,
    /// Ends its task when the client closes it or is gone.
    _gone: DropGuard,
}

/// The handler of one connection.
pub(crate) struct Connection {
    app: App,
    watched: Arc<Watched>,
    holder: Option<Arc<KeyHolder>>,
    sessions: HashMap<ChannelId, Open>,
}

impl Connection {
    pub(crate) fn new(app: App, watched: Arc<Watched>) -> Self {
        Self { app, watched, holder: None, sessions: HashMap::new() }
    }

    /// Whose key this is, if it may be used.
    async fn find(&self, key: &PublicKey, algorithm: &Algorithm) -> Option<KeyHolder> {
        if matches!(algorithm, Algorithm::Rsa { hash: None }) {
            // Signatures over SHA-1. Every client in use can do better, and is told so by the list of algorithms.
            return None;
        }
        let fingerprint: [u8; 32] = key.fingerprint(HashAlg::Sha256).as_bytes().try_into().ok()?;
        match self.app.find_key_holder(&fingerprint).await {
            Ok(found) => found,
            Err(e) => {
                log_fault("a key could not be looked up", &e);
                None
            }
        }
    }

    /// Begins what a session is for. False if it was begun before, or if there is none.
    fn start(&mut self, id: ChannelId, what: What) -> bool {
        let (Some(open), Some(holder)) = (self.sessions.get_mut(&id), self.holder.clone()) else { return false };
        let start = Start { what, holder, protocol: open.protocol.take(), has_terminal: open.has_terminal };
        open.start.take().is_some_and(|task| task.send(start).is_ok())
    }
}

/// A fault of ours, for the log.
pub(crate) fn log_fault(what: &str, e: &Error) {
    if e.code == haina_types::Code::Internal {
        tracing::error!(cause = %e.chain(), "{what}");
    } else {
        tracing::debug!(error = %e, "{what}");
    }
}

fn answer(session: &mut Session, id: ChannelId, done: bool) -> Result<(), russh::Error> {
    if done { session.channel_success(id) } else { session.channel_failure(id) }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, _user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        Ok(match self.find(offer.public_key, offer.algorithm).await {
            Some(_) => Auth::Accept,
            None => Auth::reject(),
        })
    }

    async fn auth_publickey(&mut self, _user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let Some(holder) = self.find(key.public_key, key.algorithm).await else { return Ok(Auth::reject()) };
        if let Err(e) = self.app.note_key_use(&holder).await {
            log_fault("the use of a key could not be noted", &e);
        }
        self.holder = Some(Arc::new(holder));
        self.watched.known.store(true, Ordering::Release);
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.sessions.len() >= SESSIONS_MAX {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        let (to, start) = oneshot::channel();
        let gone = CancellationToken::new();
        let open = Open { start: Some(to), protocol: None, has_terminal: false, _gone: gone.clone().drop_guard() };
        self.sessions.insert(channel.id(), open);
        // What comes in for it is taken by its own task from now on, so that nothing waits for it here.
        tokio::spawn(session::run(self.app.clone(), self.watched.clone(), channel, start, gone));
        reply.accept().await;
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.sessions.remove(&channel);
        Ok(())
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let open = self.sessions.get_mut(&channel);
        let open = open.filter(|_| name == "GIT_PROTOCOL" && value.len() <= PROTOCOL_BYTES_MAX);
        let done = open.map(|open| open.protocol = Some(value.to_owned()));
        answer(session, channel, done.is_some())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let what = match command::parse(data) {
            Ok(command) => What::Run(command),
            Err(refusal) => What::Refuse(refusal),
        };
        let done = self.start(channel, what);
        answer(session, channel, done)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        let done = self.start(channel, What::Greet);
        answer(session, channel, done)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        tracing::debug!(name, "a subsystem was asked for");
        let refusal = Refusal::new(127, "Only git and Git LFS are served here.");
        // A client that only waits for the answer hears it all the same.
        self.start(channel, What::Refuse(refusal));
        answer(session, channel, false)
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        // Of a terminal only the ends of lines are left: there is nothing to type.
        let done = self.sessions.get_mut(&channel).map(|open| open.has_terminal = true);
        answer(session, channel, done.is_some())
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        answer(session, channel, false)
    }
}
