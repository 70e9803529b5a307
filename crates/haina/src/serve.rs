//! `haina serve`: the socket, its limits, and an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use clap::Args;
use haina_app::App;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

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
    /// Room for packs that are kept ready for clones, in MiB; 0 for none.
    #[arg(long, value_name = "MIB", env = "HAINA_GIT_CACHE_MIB", default_value_t = 4096)]
    git_cache_mib: u32,
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
        let mut options = self.store.options(&url)?;
        options.git_cache_bytes = u64::from(self.git_cache_mib) << 20;
        let app = self.store.open_as(options).await?;
        if let Some(secret) = app.open_setup().await? {
            say(&format!(
                "\nThis hub has no administrator yet. Make the first one within 7 days, once, at\n\n    {url}/setup?token={secret}\n"
            ));
        }
        say(&format!("Haina is listening on http://{address} as {url}"));
        let jobs = app.start_jobs();
        serve(listener, router(app.clone())).await;
        jobs.stop().await;
        app.close().await;
        Ok(())
    }
}

/// All doors and pages.
pub fn router(app: App) -> Router {
    use tower_http::timeout::RequestBodyTimeoutLayer;
    haina_api::router()
        .merge(haina_web::router())
        .with_state(app)
        .layer(axum::middleware::from_fn(haina_api::finish))
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

async fn serve(listener: TcpListener, router: Router) {
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
        let stream = match accepted {
            Ok((stream, _)) => stream,
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
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(e) = connection.await {
                tracing::debug!(error = %e, "connection ended early");
            }
        });
    }
    drop(listener);
    say("Stopping: no new requests; running ones may end.");
    if tokio::time::timeout(STOP_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time and were cut");
    }
}
