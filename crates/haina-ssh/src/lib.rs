//! The SSH door of Haina: git's own protocol, and passes for Git LFS, for whoever holds a key that an account has.
//!
//! Only public keys count, and the user name does not: a key is of one account. There is no shell, no terminal, no
//! forwarding and no subsystem. Commands are read by the rules of POSIX for quotes and by nothing else; what they may do
//! is for the gate to say, each time. Everything has a limit: connections, sessions, attempts, time, bytes in memory.

mod command;
mod connection;
mod host_key;
mod session;

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{IpAddr, Shutdown};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use haina_app::App;
pub use host_key::HostKey;
use russh::server::Config;
use russh::{Disconnect, MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{Connection, Watched};

/// Most connections at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 512;
/// Of these, how many may come from one address; more are closed at once.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 128;
/// How many keys a client may try.
const ATTEMPTS_MAX: usize = 12;
/// How long it may take to say who it is.
const STRANGER: Duration = Duration::from_secs(30);
/// How long a connection may do nothing.
const IDLE: Duration = Duration::from_secs(120);
/// How often connections are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a client may take to close a connection that is over.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long an answer may lie unread, in milliseconds.
const UNREAD_TIMEOUT_MS: u32 = 120_000;
/// Bytes that a client may send ahead in each session.
const WINDOW_BYTES: u32 = 1 << 20;

/// What is offered to clients: nothing that is costly before it is known who they are, and nothing weak.
fn preferred() -> Preferred {
    Preferred {
        kex: Cow::Borrowed(&[
            kex::MLKEM768X25519_SHA256,
            kex::CURVE25519,
            kex::CURVE25519_PRE_RFC_8731,
            kex::ECDH_SHA2_NISTP256,
            kex::EXTENSION_SUPPORT_AS_SERVER,
            kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
        ]),
        cipher: Cow::Borrowed(&[
            cipher::AES_128_GCM,
            cipher::CHACHA20_POLY1305,
            cipher::AES_256_GCM,
            cipher::AES_256_CTR,
            cipher::AES_128_CTR,
        ]),
        // Packs are compressed, and there is nothing else that is large.
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::DEFAULT
    }
}

fn config(key: HostKey) -> Config {
    Config {
        server_id: SshId::Standard(Cow::Borrowed(concat!("SSH-2.0-Haina_", env!("CARGO_PKG_VERSION")))),
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        // That a key is nobody's here is no secret: whoever holds it can try it.
        auth_rejection_time: Duration::from_millis(100),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![key.key],
        window_size: WINDOW_BYTES,
        maximum_packet_size: 32 << 10,
        // With packets of 32 KiB, half a mebibyte that waits in each session.
        channel_buffer_size: 16,
        event_buffer_size: 8,
        preferred: preferred(),
        max_auth_attempts: ATTEMPTS_MAX,
        inactivity_timeout: Some(Duration::from_secs(600)),
        // Notices that a client is gone while nothing is said.
        keepalive_interval: Some(Duration::from_secs(30)),
        keepalive_max: 3,
        nodelay: true,
        ..Config::default()
    }
}

/// Connections by address.
#[derive(Debug, Default)]
struct Addresses(Mutex<HashMap<IpAddr, usize>>);

struct Place {
    addresses: Arc<Addresses>,
    of: IpAddr,
}

impl Addresses {
    fn admit(self: &Arc<Self>, of: IpAddr) -> Option<Place> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(of).or_insert(0);
        if *count >= CONNECTIONS_PER_ADDRESS_MAX {
            return None;
        }
        *count += 1;
        Some(Place { addresses: self.clone(), of })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.of);
            }
        }
    }
}

/// Serves until told to stop; then nothing new begins, and what runs may end.
pub async fn serve(listener: TcpListener, app: App, key: HostKey, stop: impl Future<Output = ()>) {
    let config = Arc::new(config(key));
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let addresses = Arc::new(Addresses::default());
    let (stopping, connections) = (CancellationToken::new(), TaskTracker::new());
    let mut stop = std::pin::pin!(stop);
    loop {
        let permit = tokio::select! {
            permit = places.clone().acquire_owned() => permit,
            () = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(e) => {
                // Out of file descriptors, most likely: others will be closed meanwhile.
                tracing::warn!(error = %e, "could not accept a connection for SSH");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(place) = addresses.admit(from.ip().to_canonical()) else {
            tracing::debug!(%from, "too many connections from one address");
            continue;
        };
        let (config, app, stopping) = (config.clone(), app.clone(), stopping.clone());
        connections.spawn(async move {
            let _places = (permit, place);
            if let Err(e) = connection(stream, config, app, stopping).await {
                tracing::debug!(%from, error = %e, "a connection for SSH ended early");
            }
        });
    }
    drop(listener);
    stopping.cancel();
    connections.close();
    connections.wait().await;
}

/// Serves one connection and watches over it: whoever does not say who they are, or does nothing, is sent away.
async fn connection(
    stream: TcpStream,
    config: Arc<Config>,
    app: App,
    stopping: CancellationToken,
) -> Result<(), russh::Error> {
    stream.set_nodelay(true)?;
    rustix::net::sockopt::set_tcp_user_timeout(&stream, UNREAD_TIMEOUT_MS).map_err(std::io::Error::from)?;
    let stream = stream.into_std()?;
    // Ends the connection whatever its handler is waiting for.
    let switch = stream.try_clone()?;
    let stream = TcpStream::from_std(stream)?;
    let watched = Arc::new(Watched::new());
    let began = tokio::time::Instant::now();
    let handler = Connection::new(app, watched.clone());
    let running = tokio::time::timeout(STRANGER, russh::server::run_stream(config, stream, handler)).await;
    let mut running = running.map_err(|_| russh::Error::InactivityTimeout)??;
    let handle = running.handle();
    let mut last_busy = began;
    let why = loop {
        tokio::select! {
            ended = &mut running => return ended,
            () = tokio::time::sleep(LOOK) => {}
            () = stopping.cancelled(), if watched.is_idle() => break "The server is stopping.",
        }
        if !watched.is_known() {
            if began.elapsed() > STRANGER {
                break "You took too long to say who you are.";
            }
            last_busy = tokio::time::Instant::now();
        } else if !watched.is_idle() {
            last_busy = tokio::time::Instant::now();
        } else if last_busy.elapsed() > IDLE {
            break "This connection was idle for too long.";
        }
    };
    let farewell = async {
        // A handler that waits for something hears nothing; then the line is cut.
        let _ = handle.disconnect(Disconnect::ByApplication, why.to_owned(), "en".to_owned()).await;
        let _ = (&mut running).await;
    };
    if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
        switch.shutdown(Shutdown::Both)?;
        return tokio::time::timeout(FAREWELL, running).await.unwrap_or(Err(russh::Error::InactivityTimeout));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
    use super::*;

    #[test]
    fn one_address_does_not_take_every_place() {
        let addresses = Arc::new(Addresses::default());
        let here: IpAddr = "192.0.2.1".parse().unwrap();
        let mut places: Vec<Place> = (0..CONNECTIONS_PER_ADDRESS_MAX).map(|_| addresses.admit(here).unwrap()).collect();
        assert!(addresses.admit(here).is_none());
        assert!(addresses.admit("192.0.2.2".parse().unwrap()).is_some());
        places.pop();
        assert!(addresses.admit(here).is_some());
        places.clear();
        assert!(addresses.0.lock().unwrap().is_empty());
    }
}
