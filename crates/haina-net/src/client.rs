//! One request, to an address that was judged.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::{Rules, Target};

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;
/// Most bytes of the head of an answer.
const HEAD_BYTES_MAX: usize = 32 << 10;

/// How long a request may take, and how much of the answer is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// To resolve the name, connect and agree on TLS.
    pub connect: Duration,
    /// From the beginning to the last byte that is read.
    pub total: Duration,
    /// First bytes of the answer's body that are kept; the rest is not read.
    pub answer_bytes: usize,
}

/// What the other server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status. Redirects are not followed.
    pub status: u16,
    /// The first bytes of the body.
    pub body: Bytes,
}

/// Why there is no answer. The text is for the person who gave the address.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Every address of the name is closed.
    #[error("the address {0} is not on the public Internet, and the operator does not allow it")]
    Closed(std::net::IpAddr),
    /// The name stands for no address.
    #[error("the name cannot be resolved")]
    Resolve(#[source] Option<std::io::Error>),
    /// Nobody answers there.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// No agreement on TLS: a certificate that is not valid, most likely.
    #[error("TLS failed: {0}")]
    Tls(std::io::Error),
    /// This machine has no certificates of authorities to verify with.
    #[error("this server has no certificate authorities to verify TLS with")]
    NoAuthorities,
    /// A header that cannot be sent.
    #[error("the header {0} cannot be sent")]
    Header(&'static str),
    /// The connection was lost, or what came back is not HTTP.
    #[error("the exchange failed: {0}")]
    Exchange(#[from] hyper::Error),
    /// It took too long.
    #[error("no answer within {} seconds", .0.as_secs_f32().ceil())]
    Timeout(Duration),
}

/// Asks other servers within [`Rules`].
#[derive(Debug, Clone, Default)]
pub struct Client {
    rules: Arc<Rules>,
}

/// A connection's own task, which ends with whoever waits for it.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// TLS with the authorities that this machine trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others), read once.
fn tls() -> Result<TlsConnector, Failure> {
    static CONFIG: OnceLock<Option<Arc<rustls::ClientConfig>>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "some certificate authorities could not be read");
        }
        let mut roots = rustls::RootCertStore::empty();
        let (added, ignored) = roots.add_parsable_certificates(found.certs);
        tracing::debug!(added, ignored, "certificate authorities read");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        (added > 0).then(|| Arc::new(config))
    });
    config.clone().map(TlsConnector::from).ok_or(Failure::NoAuthorities)
}

impl Client {
    /// Within these rules.
    pub fn new(rules: Rules) -> Self {
        Self { rules: Arc::new(rules) }
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Sends a body and waits for the answer.
    pub async fn post(
        &self,
        target: &Target,
        headers: &[(&'static str, String)],
        body: Bytes,
        limits: Limits,
    ) -> Result<Answer, Failure> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        // Only path and query: this is what HTTP/1.1 sends to a server that is no proxy.
        *request.uri_mut() = target.path().parse().map_err(|_| Failure::Header("path"))?;
        let authority = HeaderValue::from_str(&target.authority()).map_err(|_| Failure::Header("host"))?;
        request.headers_mut().insert(header::HOST, authority);
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|_| Failure::Header(name))?;
            request.headers_mut().insert(*name, value);
        }
        match tokio::time::timeout(limits.total, self.exchange(target, request, limits)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::Timeout(limits.total)),
        }
    }

    async fn exchange(
        &self,
        target: &Target,
        request: Request<Full<Bytes>>,
        limits: Limits,
    ) -> Result<Answer, Failure> {
        let begun = Instant::now();
        let left = || limits.connect.saturating_sub(begun.elapsed());
        let late = |_| Failure::Timeout(limits.connect);
        let addresses = tokio::time::timeout(limits.connect, self.addresses(target)).await.map_err(late)??;
        let stream = tokio::time::timeout(left(), connect(&addresses)).await.map_err(late)??;
        if !target.is_tls() {
            return converse(stream, request, limits.answer_bytes).await;
        }
        let name = ServerName::try_from(target.host().to_owned()).map_err(|_| Failure::Resolve(None))?;
        let agreed = tokio::time::timeout(left(), tls()?.connect(name, stream)).await.map_err(late)?;
        converse(agreed.map_err(Failure::Tls)?, request, limits.answer_bytes).await
    }

    /// The addresses that a target stands for, each of them judged.
    async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, Failure> {
        let found: Vec<SocketAddr> = match target.ip() {
            Some(ip) => vec![SocketAddr::new(ip, target.port())],
            None => {
                let looked_up = tokio::net::lookup_host((target.host(), target.port())).await;
                looked_up.map_err(|e| Failure::Resolve(Some(e)))?.collect()
            }
        };
        let closed = found.iter().find(|a| !self.rules.allow(a.ip())).map(SocketAddr::ip);
        let open: Vec<SocketAddr> =
            found.into_iter().filter(|a| self.rules.allow(a.ip())).take(ADDRESSES_MAX).collect();
        match (open.is_empty(), closed) {
            (false, _) => Ok(open),
            (true, Some(ip)) => Err(Failure::Closed(ip)),
            (true, None) => Err(Failure::Resolve(None)),
        }
    }
}

/// The first of these addresses that answers.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
    let mut last = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(e) => last = Some(e),
        }
    }
    Err(last.map_or(Failure::Resolve(None), Failure::Connect))
}

async fn converse<S>(stream: S, request: Request<Full<Bytes>>, answer_bytes: usize) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let _driver = Driver(tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to another server ended early");
        }
    }));
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    Ok(Answer { status, body: first_bytes(response.into_body(), answer_bytes).await })
}

/// The beginning of a body. One that breaks off is as good as one that ends: the status was said.
async fn first_bytes(mut body: Incoming, max: usize) -> Bytes {
    let mut kept = BytesMut::new();
    while kept.len() < max
        && let Some(Ok(frame)) = body.frame().await
    {
        if let Ok(data) = frame.into_data() {
            let take = data.len().min(max - kept.len());
            kept.extend_from_slice(&data[..take]);
        }
    }
    kept.freeze()
}
