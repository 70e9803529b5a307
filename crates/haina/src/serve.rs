//! `haina serve`: the socket, its limits, and an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use clap::Args;
use haina_app::App;
use haina_app::webhooks::IpNet;
use haina_types::SystemRng;
use http::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{Store, say};

/// Most connections at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 4096;
/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a body may stand still.
const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// How long an answer may lie unread, in milliseconds.
const UNREAD_TIMEOUT_MS: u32 = 120_000;
/// How long running requests may take to end when the hub is told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// Run the hub.
#[derive(Args)]
pub struct Serve {
    #[command(flatten)]
    store: Store,
    /// The address to listen on.
    #[arg(long, value_name = "IP:PORT", env = "HAINA_LISTEN", default_value = "127.0.0.1:7300")]
    listen: SocketAddr,
    /// The address that clients use, if it differs: behind a proxy, or a name.
    #[arg(long, value_name = "URL", env = "HAINA_URL")]
    url: Option<String>,
    /// A network beside the public Internet that webhooks may go to, such as 10.1.0.0/16; may be given more than once.
    #[arg(long, value_name = "CIDR", env = "HAINA_WEBHOOKS_ALLOW", value_delimiter = ',')]
    webhooks_allow: Vec<IpNet>,
    /// A network of proxies before this hub, such as 127.0.0.1/32: what they say in X-Forwarded-For about the addresses of
    /// clients is believed. May be given more than once.
    #[arg(long, value_name = "CIDR", env = "HAINA_TRUST_PROXY", value_delimiter = ',', value_parser = network)]
    trust_proxy: Vec<IpNet>,
    /// Room for packs that are kept ready for clones, in MiB; 0 for none.
    #[arg(long, value_name = "MIB", env = "HAINA_GIT_CACHE_MIB", default_value_t = 4096)]
    git_cache_mib: u32,
    /// Also serve git over SSH, on this address. Off unless given.
    #[arg(long, value_name = "IP:PORT", env = "HAINA_SSH_LISTEN")]
    ssh_listen: Option<SocketAddr>,
    /// The address that git uses over SSH, if it is not the host of --url with the port of --ssh-listen:
    /// ssh://git@HOST[:PORT]
    #[arg(long, value_name = "URL", env = "HAINA_SSH_URL", requires = "ssh_listen")]
    ssh_url: Option<String>,
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let one = text.parse::<std::net::IpAddr>().map(IpNet::from);
    one.or_else(|_| text.parse()).map_err(|_| "expected a network such as 10.1.0.0/16, or an address".to_owned())
}

/// The host of an `http` address, in brackets if it is an IPv6 address.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The address of git over SSH as people write it.
fn ssh_url(given: Option<&str>, url: &str, port: u16) -> anyhow::Result<String> {
    match given.map(|url| url.trim_end_matches('/')) {
        Some(given) => {
            let plain = |c: char| c.is_ascii_graphic() && !"'\"`$\\;&|<>()".contains(c);
            anyhow::ensure!(
                given.strip_prefix("ssh://").is_some_and(|rest| !rest.is_empty() && rest.chars().all(plain)),
                "--ssh-url must be like ssh://git@hub.example or ssh://git@hub.example:2222"
            );
            Ok(given.to_owned())
        }
        None if port == 22 => Ok(format!("ssh://git@{}", host_of(url))),
        None => Ok(format!("ssh://git@{}:{port}", host_of(url))),
    }
}

impl Serve {
    /// Serves until told to stop.
    pub async fn run(self) -> anyhow::Result<()> {
        let filter = tracing_subscriber::EnvFilter::try_from_env("HAINA_LOG").unwrap_or_else(|_| "info".into());
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
        let listener =
            TcpListener::bind(self.listen).await.with_context(|| format!("cannot listen on {}", self.listen))?;
        let address = listener.local_addr()?;
        let url = match self.url {
            Some(url) => {
                anyhow::ensure!(
                    url.starts_with("http://") || url.starts_with("https://"),
                    "--url must begin with http:// or https://"
                );
                url.trim_end_matches('/').to_owned()
            }
            None => format!("http://{address}"),
        };
        let ssh = match self.ssh_listen {
            Some(address) => {
                let listener = TcpListener::bind(address).await;
                Some(listener.with_context(|| format!("cannot listen on {address} for SSH"))?)
            }
            None => None,
        };
        let mut options = self.store.options(&url)?;
        if let Some(ssh) = &ssh {
            options.ssh_url = Some(ssh_url(self.ssh_url.as_deref(), &url, ssh.local_addr()?.port())?);
        }
        options.webhooks_allow = self.webhooks_allow;
        options.trusted_proxies = self.trust_proxy;
        options.git_cache_bytes = u64::from(self.git_cache_mib) << 20;
        let app = self.store.open_as(options).await?;
        if let Some(secret) = app.open_setup().await? {
            say(&format!(
                "\nThis hub has no administrator yet. Make the first one within 7 days, once, at\n\n    {url}/setup?token={secret}\n"
            ));
        }
        say(&format!("Haina is listening on http://{address} as {url}"));
        let ssh = match ssh {
            Some(listener) => {
                let key = haina_ssh::HostKey::load(&self.store.data, &SystemRng).context("the host key of SSH")?;
                let address = listener.local_addr()?;
                say(&format!("SSH is listening on {address} as {}", app.ssh_url().unwrap_or_default()));
                say(&format!("SSH host key: {} {}", key.fingerprint(), key.public()));
                Some((listener, key))
            }
            None => None,
        };
        let jobs = app.start_jobs();
        let by_ssh = async {
            if let Some((listener, key)) = ssh {
                serve_ssh(listener, app.clone(), key).await;
            }
        };
        tokio::join!(serve(listener, router(app.clone()), &app), by_ssh);
        jobs.stop().await;
        app.close().await;
        Ok(())
    }
}

/// Serves SSH until the hub is told to stop, and for as long as requests may take to end then.
async fn serve_ssh(listener: TcpListener, app: App, key: haina_ssh::HostKey) {
    let stop = CancellationToken::new();
    let asked = {
        let stop = stop.clone();
        async move {
            stop_asked().await;
            stop.cancel();
        }
    };
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP_TIMEOUT).await;
    };
    tokio::select! {
        () = haina_ssh::serve(listener, app, key, asked) => {}
        () = late => tracing::warn!("some commands over SSH did not end in time and were cut"),
    }
}

/// All doors over HTTP, and pages.
pub fn router(app: App) -> Router {
    use tower_http::timeout::RequestBodyTimeoutLayer;
    haina_api::router()
        .merge(haina_web::router())
        .with_state(app.clone())
        .layer(axum::middleware::from_fn_with_state(app, haina_api::finish))
        .layer(RequestBodyTimeoutLayer::new(BODY_IDLE_TIMEOUT))
}

async fn stop_asked() {
    let interrupt = tokio::signal::ctrl_c();
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = interrupt => {}
        () = terminate => {}
    }
}

/// The router for one connection: each of its requests is told whom it came from.
struct Door {
    router: TowerToHyperService<Router>,
    peer: haina_api::Peer,
}

impl Door {
    fn new(router: Router, peer: SocketAddr) -> Self {
        Self { router: TowerToHyperService::new(router), peer: haina_api::Peer(peer.ip()) }
    }
}

impl Service<Request<Incoming>> for Door {
    type Response = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Response;
    type Error = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Error;
    type Future = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        self.router.call(request)
    }
}

async fn serve(listener: TcpListener, router: Router, app: &App) {
    let graceful = GracefulShutdown::new();
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut stop = std::pin::pin!(stop_asked());
    loop {
        let permit = tokio::select! {
            permit = connections.clone().acquire_owned() => permit,
            () = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(e) => {
                // Out of file descriptors, most likely: others will be closed meanwhile.
                tracing::warn!(error = %e, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Answers are written whole; waiting to fill a packet would only add delay. A client that takes nothing for a
        // while is gone, or means to hold what its answer needs.
        let set = stream
            .set_nodelay(true)
            .and_then(|()| Ok(rustix::net::sockopt::set_tcp_user_timeout(&stream, UNREAD_TIMEOUT_MS)?));
        if let Err(e) = set {
            tracing::debug!(error = %e, "could not set options of a connection");
        }
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), Door::new(router.clone(), peer));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(e) = connection.await {
                tracing::debug!(error = %e, "connection ended early");
            }
        });
    }
    drop(listener);
    // Those who follow a bucket would never end by themselves.
    app.end_feeds();
    say("Stopping: no new requests; running ones may end.");
    if tokio::time::timeout(STOP_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time and were cut");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
    use super::*;

    #[test]
    fn addresses_of_git_over_ssh() {
        let made = |url, port| ssh_url(None, url, port).unwrap();
        assert_eq!(made("https://hub.example", 2222), "ssh://git@hub.example:2222");
        assert_eq!(made("https://hub.example:8443/hub", 22), "ssh://git@hub.example");
        assert_eq!(made("http://127.0.0.1:7300", 2222), "ssh://git@127.0.0.1:2222");
        assert_eq!(made("http://[::1]:7300", 2222), "ssh://git@[::1]:2222");
        assert_eq!(made("http://[::1]", 2222), "ssh://git@[::1]:2222");
        assert_eq!(ssh_url(Some("ssh://git@x:1/"), "http://y", 2).unwrap(), "ssh://git@x:1");
        for bad in ["", "ssh://", "https://x", "x:22", "ssh://x;id", "ssh://x y", "ssh://$(id)"] {
            assert!(ssh_url(Some(bad), "http://y", 2).is_err(), "{bad}");
        }
    }
}
