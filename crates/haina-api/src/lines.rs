//! Bodies of one JSON value a line, read a line at a time.

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;
use haina_types::{Code, Error, Result};

/// What a body may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The word for it in messages.
    pub what: &'static str,
    /// Longest line.
    pub line_bytes: usize,
    /// Longest body.
    pub body_bytes: u64,
    /// What to do when a line is too long.
    pub advice: &'static str,
}

/// Splits a body into lines, each bounded.
pub struct Lines {
    stream: BodyDataStream,
    limits: Limits,
    rest: Vec<u8>,
    scanned: usize,
    total: u64,
    done: bool,
}

impl Lines {
    /// Of a body that has not been read yet.
    pub fn new(body: Body, limits: Limits) -> Self {
        Self { stream: body.into_data_stream(), limits, rest: Vec::new(), scanned: 0, total: 0, done: false }
    }

    /// The next line that is not empty; `None` at the end of a complete body.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let Limits { what, line_bytes, body_bytes, advice } = self.limits;
        loop {
            if let Some(at) = self.rest[self.scanned..].iter().position(|b| *b == b'\n') {
                let rest = self.rest.split_off(self.scanned + at + 1);
                let mut line = std::mem::replace(&mut self.rest, rest);
                self.scanned = 0;
                line.pop();
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return Ok(Some(line));
            }
            self.scanned = self.rest.len();
            if self.scanned > line_bytes {
                let text = format!("A line of a {what} has at most {line_bytes} bytes{advice}.");
                return Err(Error::new(Code::TooLarge, text));
            }
            if self.done {
                let line = std::mem::take(&mut self.rest);
                self.scanned = 0;
                return Ok((!line.iter().all(u8::is_ascii_whitespace)).then_some(line));
            }
            match self.stream.next().await {
                Some(Ok(part)) => {
                    self.total += part.len() as u64;
                    if self.total > body_bytes {
                        let text = format!("The body of a {what} has at most {body_bytes} bytes: split it.");
                        return Err(Error::new(Code::TooLarge, text));
                    }
                    self.rest.extend_from_slice(&part);
                }
                Some(Err(e)) => {
                    return Err(Error::invalid(format!(
                        "The request body ended early: nothing of the {what} was done."
                    ))
                    .because(e));
                }
                None => self.done = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { what: "test", line_bytes: 15 << 20, body_bytes: 1 << 30, advice: "" };

    /// Reads a body that arrives in the given pieces.
    async fn read(pieces: Vec<&[u8]>) -> Result<Vec<Vec<u8>>> {
        let pieces: Vec<std::io::Result<bytes::Bytes>> =
            pieces.into_iter().map(|p| Ok(bytes::Bytes::copy_from_slice(p))).collect();
        let mut lines = Lines::new(Body::from_stream(futures_util::stream::iter(pieces)), LIMITS);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await? {
            all.push(line);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn lines_do_not_depend_on_how_the_body_is_cut() {
        let body = b"{\"key\":1}\n\n  \r\n{\"key\":2}\n{\"key\":3}";
        let whole = read(vec![body]).await.unwrap();
        assert_eq!(whole.len(), 3);
        for at in 0..body.len() {
            for second in at..body.len() {
                let cut = read(vec![&body[..at], &body[at..second], &body[second..]]).await.unwrap();
                assert_eq!(cut, whole, "cut at {at} and {second}");
            }
        }
    }

    #[tokio::test]
    async fn a_line_without_end_is_refused_and_not_kept() {
        let piece = vec![b'x'; 1 << 20];
        let pieces: Vec<&[u8]> = std::iter::repeat_n(piece.as_slice(), 40).collect();
        assert_eq!(read(pieces).await.unwrap_err().code, Code::TooLarge);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_an_error() {
        let pieces: Vec<std::io::Result<bytes::Bytes>> =
            vec![Ok(bytes::Bytes::from_static(b"{}\n{\"ke")), Err(std::io::Error::other("gone"))];
        let mut lines = Lines::new(Body::from_stream(futures_util::stream::iter(pieces)), LIMITS);
        assert_eq!(lines.next().await.unwrap().unwrap(), b"{}");
        assert_eq!(lines.next().await.unwrap_err().code, Code::Invalid);
    }
}
