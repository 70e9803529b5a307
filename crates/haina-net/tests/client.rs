//! Against a server of a few lines that may misbehave.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use haina_net::{Answer, Client, Failure, Limits, Rules, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const LIMITS: Limits = Limits { connect: Duration::from_secs(2), total: Duration::from_millis(700), answer_bytes: 100 };

/// A server that reads one request, says what it was told to and waits; its port, and what it was sent.
async fn server(says: &'static [u8]) -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let tell = tell.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 64 << 10];
                let mut read = 0;
                while !String::from_utf8_lossy(&request[..read]).ends_with("the body") {
                    match stream.read(&mut request[read..]).await {
                        Ok(0) | Err(_) => break,
                        Ok(n) => read += n,
                    }
                }
                let _ = tell.send(String::from_utf8_lossy(&request[..read]).into_owned());
                let _ = stream.write_all(says).await;
                tokio::time::sleep(Duration::from_secs(5)).await;
            });
        }
    });
    (port, told)
}

fn local() -> Client {
    Client::new(Rules::new(["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]))
}

async fn post(client: &Client, url: &str) -> Result<Answer, Failure> {
    let target = Target::parse(url, client.rules()).unwrap();
    client.post(&target, &[("x-test", "yes".to_owned())], Bytes::from_static(b"the body"), LIMITS).await
}

#[tokio::test]
async fn a_request_and_its_answer() {
    let (port, mut told) = server(b"HTTP/1.1 201 Created\r\ncontent-length: 3\r\n\r\nyes").await;
    let answer = post(&local(), &format!("http://127.0.0.1:{port}/hook?a=b")).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (201, &b"yes"[..]));
    let request = told.recv().await.unwrap();
    assert!(request.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{request}");
    for part in [
        format!("host: 127.0.0.1:{port}\r\n"),
        "x-test: yes\r\n".into(),
        "content-length: 8\r\n".into(),
        "\r\n\r\nthe body".into(),
    ] {
        assert!(request.contains(&part), "{part} in {request}");
    }
}

#[tokio::test]
async fn what_is_closed_is_not_connected_to() {
    let (port, mut told) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    // By name, so that only the resolver's answer tells.
    let failure = post(&Client::default(), &format!("http://localhost:{port}/")).await.unwrap_err();
    assert!(matches!(failure, Failure::Closed(ip) if ip.is_loopback()), "{failure}");
    assert!(told.try_recv().is_err());
    post(&local(), &format!("http://localhost:{port}/")).await.unwrap();
    assert!(told.recv().await.is_some());
}

#[tokio::test]
async fn redirects_are_answers() {
    let (port, mut told) =
        server(b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(post(&local(), &format!("http://127.0.0.1:{port}/")).await.unwrap().status, 302);
    assert!(told.recv().await.is_some());
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn servers_that_take_their_time() {
    for says in [&b""[..], b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nbegun"] {
        let (port, _told) = server(says).await;
        let begun = Instant::now();
        let failure = post(&local(), &format!("http://127.0.0.1:{port}/")).await.unwrap_err();
        assert!(matches!(failure, Failure::Timeout(_)), "{failure}");
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn only_the_beginning_of_an_answer_is_read() {
    let says: &[u8] =
        [b"HTTP/1.1 500 No\r\ncontent-length: 9999999\r\n\r\n".to_vec(), vec![b'x'; 5000]].concat().leak();
    let (port, _told) = server(says).await;
    let answer = post(&local(), &format!("http://127.0.0.1:{port}/")).await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (500, 100));
}

#[tokio::test]
async fn what_is_not_http_is_a_failure() {
    let endless: &[u8] = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"x: y\r\n".repeat(50_000)].concat().leak();
    for says in [&b"SSH-2.0-OpenSSH_9.9\r\n\r\n"[..], b"\0\0\0\0\0\0\r\n\r\n", endless] {
        let (port, _told) = server(says).await;
        let failure = post(&local(), &format!("http://127.0.0.1:{port}/")).await.unwrap_err();
        assert!(matches!(failure, Failure::Exchange(_)), "{failure}");
    }
    let (port, _told) = server(b"HTTP/1.1 200 OK\r\n\r\n").await;
    let failure = post(&local(), &format!("https://127.0.0.1:{port}/")).await.unwrap_err();
    assert!(matches!(failure, Failure::Tls(_) | Failure::NoAuthorities | Failure::Timeout(_)), "{failure}");
}

#[tokio::test]
async fn nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    assert!(matches!(post(&local(), &format!("http://127.0.0.1:{port}/")).await, Err(Failure::Connect(_))));
    assert!(matches!(
        post(&local(), "http://no-such-host.invalid/").await,
        Err(Failure::Resolve(_) | Failure::Timeout(_))
    ));
}
