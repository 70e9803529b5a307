//! Git's protocol on a connection that stays open, as over SSH: the server speaks first, and both remember what was
//! said. Version 2 is a list of commands; versions 0 and 1 negotiate once; a push is one request and its report.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use haina_git::wire::{
    NegotiatorV0, PackEnd, Pkt, PktError, PktReader, Service, Step, Version, error_to, flush_to, packet_len,
    parse_steps, parse_v0, read_push,
};
use haina_types::{Code, Error, Oid, Result};
use tokio::sync::mpsc;

use super::Answer;
use super::fetch::{Fetch, bands_of};
use crate::App;
use crate::content::ByteStream;
use crate::gate::{ContentAccess, PushAccess};

/// Most bytes of one request, and of a whole negotiation of the old versions: some 160,000 lines.
const REQUEST_BYTES_MAX: usize = 8 << 20;
/// How long a pack that has begun may stand still.
const BODY_IDLE: Duration = Duration::from_secs(120);

/// How a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As it should.
    Well,
    /// With a refusal that the client was told in the protocol itself.
    Refused,
}

fn invalid(e: impl std::fmt::Display) -> Error {
    Error::invalid(e.to_string())
}

/// What ends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// A flush packet.
    Flush,
    /// That, or the `done` of a negotiation.
    FlushOrDone,
}

/// What comes in, packet by packet.
struct Incoming {
    from: ByteStream,
    buffer: BytesMut,
}

impl Incoming {
    /// Waits until there are so many bytes; false if the input ends before.
    async fn fill(&mut self, len: usize) -> Result<bool> {
        while self.buffer.len() < len {
            match self.from.next().await {
                Some(piece) => self.buffer.extend_from_slice(&piece?),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Reads packets up to the one that ends a request. `None` where the input ends before anything came.
    async fn request(&mut self, until: Until, bytes_max: usize) -> Result<Option<Bytes>> {
        let mut at = 0;
        loop {
            if !self.fill(at + 4).await? {
                return match (at, self.buffer.len() - at) {
                    (0, 0) => Ok(None),
                    (at, 0) => Ok(Some(self.buffer.split_to(at).freeze())),
                    _ => Err(invalid(PktError::Cut)),
                };
            }
            let head: [u8; 4] = self.buffer[at..at + 4].try_into().map_err(Error::internal)?;
            let len = packet_len(head).map_err(invalid)?;
            let end = at + len.max(4);
            if end > bytes_max {
                return Err(Error::new(Code::TooLarge, format!("A request has at most {} MiB.", bytes_max >> 20)));
            }
            if !self.fill(end).await? {
                return Err(invalid(PktError::Cut));
            }
            let is_done = || matches!(&self.buffer[at + 4..end], b"done" | b"done\n");
            let is_last = len == 0 || (until == Until::FlushOrDone && is_done());
            at = end;
            if is_last {
                return Ok(Some(self.buffer.split_to(at).freeze()));
            }
        }
    }
}

/// What goes out. When nobody takes it any more, the conversation is over.
struct Outgoing(mpsc::Sender<Bytes>);

impl Outgoing {
    async fn send(&self, bytes: impl Into<Bytes>) -> Result<()> {
        let bytes = bytes.into();
        if bytes.is_empty() {
            return Ok(());
        }
        self.0.send(bytes).await.map_err(|_| Error::new(Code::Unavailable, "The client is gone."))
    }

    async fn answer(&self, answer: Answer) -> Result<()> {
        self.send(answer.head).await?;
        if let Some(mut rest) = answer.rest {
            while let Some(piece) = rest.next().await {
                self.send(piece?).await?;
            }
        }
        Ok(())
    }

    /// Says what is wrong with a request in the protocol itself; a fault of ours is not for the other end.
    async fn end(&self, outcome: Result<()>) -> Result<Ended> {
        match outcome {
            Ok(()) => Ok(Ended::Well),
            Err(e) if matches!(e.code, Code::Invalid | Code::TooLarge) => {
                let mut out = Vec::new();
                error_to(&mut out, &e.message);
                self.send(out).await?;
                Ok(Ended::Refused)
            }
            Err(e) => Err(e),
        }
    }
}

/// Whether a push says that its options follow its commands.
fn has_options(commands: &[u8]) -> bool {
    let mut packets = PktReader::new(commands);
    let Ok(Some(Pkt::Data(first))) = packets.read() else { return false };
    let capabilities = first.iter().position(|c| *c == 0).map_or(&[][..], |at| &first[at + 1..]);
    capabilities.split(u8::is_ascii_whitespace).any(|c| c == b"push-options")
}

impl App {
    /// Serves a client that clones or fetches, until it is done.
    pub async fn git_talk_fetch(
        &self,
        access: &ContentAccess,
        version: Version,
        input: ByteStream,
        output: mpsc::Sender<Bytes>,
    ) -> Result<Ended> {
        let (mut from, to) = (Incoming { from: input, buffer: BytesMut::new() }, Outgoing(output));
        to.send(self.git_greet(access.repo().id, Service::UploadPack, version).await?).await?;
        let outcome = match version {
            Version::V2 => self.talk_v2(access, &mut from, &to).await,
            _ => self.talk_v0(access, &mut from, &to).await,
        };
        to.end(outcome).await
    }

    async fn talk_v2(&self, access: &ContentAccess, from: &mut Incoming, to: &Outgoing) -> Result<()> {
        while let Some(request) = from.request(Until::Flush, REQUEST_BYTES_MAX).await? {
            if request == b"0000"[..] {
                break;
            }
            to.answer(self.fetch_v2(access.repo().id, &request).await?).await?;
        }
        Ok(())
    }

    async fn talk_v0(&self, access: &ContentAccess, from: &mut Incoming, to: &Outgoing) -> Result<()> {
        let Some(wants) = from.request(Until::Flush, REQUEST_BYTES_MAX).await? else { return Ok(()) };
        let Some(request) = parse_v0(&wants).map_err(invalid)? else { return Ok(()) };
        let mut left = REQUEST_BYTES_MAX - wants.len();
        let mut s = self.db().read().await?;
        let mut fetch = Fetch::open(self, &mut s, access.repo().id, request.fetch.clone()).await?;
        fetch.find_ends(self, &mut s).await?;
        drop(s);
        if fetch.shallow.is_asked {
            let mut out = Vec::new();
            fetch.shallow.write(&mut out);
            flush_to(&mut out);
            to.send(out).await?;
        }
        let mut negotiator = NegotiatorV0::on_open_connection(&request);
        while let Some(batch) = from.request(Until::FlushOrDone, left).await? {
            left -= batch.len();
            let steps = parse_steps(&batch).map_err(invalid)?;
            let haves: Vec<Oid> = steps
                .iter()
                .filter_map(|step| match step {
                    Step::Have(oid) => Some(*oid),
                    _ => None,
                })
                .collect();
            let mut s = self.db().read().await?;
            fetch.look_at(&mut s, &haves, false).await?;
            drop(s);
            let mut out = Vec::new();
            if negotiator.take(&fetch.shared(), steps, &mut out) {
                let answer = self.send(fetch, negotiator.into_common(), bands_of(&request), out);
                return to.answer(answer).await;
            }
            to.send(out).await?;
        }
        // It only asked where its history will end, or went away.
        Ok(())
    }

    /// Serves a client that pushes.
    pub async fn git_talk_push(
        &self,
        access: &PushAccess,
        version: Version,
        input: ByteStream,
        output: mpsc::Sender<Bytes>,
    ) -> Result<Ended> {
        let (mut from, to) = (Incoming { from: input, buffer: BytesMut::new() }, Outgoing(output));
        to.send(self.git_greet(access.repo().id, Service::ReceivePack, version).await?).await?;
        let outcome = self.talk_push(access, &mut from, &to).await;
        to.end(outcome).await
    }

    async fn talk_push(&self, access: &PushAccess, from: &mut Incoming, to: &Outgoing) -> Result<()> {
        let Some(mut head) = from.request(Until::Flush, REQUEST_BYTES_MAX).await? else { return Ok(()) };
        if has_options(&head) {
            let options = from.request(Until::Flush, REQUEST_BYTES_MAX - head.len()).await?.unwrap_or_default();
            head = [head, options].concat().into();
        }
        let request = read_push(&mut PktReader::new(head.as_ref())).map_err(invalid)?;
        let Some(request) = request else { return Ok(()) };
        // The client may think for minutes before its pack begins. Nothing is held for it until then.
        if request.has_pack() && !from.fill(1).await? {
            return Err(Error::invalid("the pack is missing"));
        }
        let begun = [head, from.buffer.split().freeze()].map(Ok);
        let input = std::mem::replace(&mut from.from, Box::pin(futures_util::stream::empty()));
        let rest = futures_util::stream::unfold(Some(input), |input| async {
            let mut input = input?;
            match tokio::time::timeout(BODY_IDLE, input.next()).await {
                Ok(piece) => piece.map(|piece| (piece, Some(input))),
                Err(_) => Some((Err(Error::new(Code::Unavailable, "The pack stopped coming.")), None)),
            }
        });
        let body = Box::pin(futures_util::stream::iter(begun).chain(rest));
        to.answer(self.take_body(access, body, PackEnd::Line).await?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming(pieces: &[&'static [u8]]) -> Incoming {
        let pieces: Vec<Result<Bytes>> = pieces.iter().map(|p| Ok(Bytes::from_static(p))).collect();
        Incoming { from: Box::pin(futures_util::stream::iter(pieces)), buffer: BytesMut::new() }
    }

    #[tokio::test]
    async fn requests_are_cut_where_they_end() {
        let mut from = incoming(&[
            b"00",
            b"0ahello\n00",
            b"010005a0000",
            b"0009done\n0008done0000",
            b"0009done\n0008have0000PACK",
        ]);
        let (flush, done) = (Until::Flush, Until::FlushOrDone);
        for (until, expected) in [
            (flush, &b"000ahello\n00010005a0000"[..]),
            (flush, b"0009done\n0008done0000"),
            (done, b"0009done\n"),
            (done, b"0008have0000"),
        ] {
            assert_eq!(from.request(until, 100).await.unwrap().unwrap(), expected);
        }
        assert!(from.fill(4).await.unwrap() && from.buffer == b"PACK"[..]);
        assert_eq!(incoming(&[]).request(flush, 100).await.unwrap(), None);
        assert_eq!(incoming(&[b"0005a"]).request(flush, 100).await.unwrap().unwrap(), b"0005a"[..]);
        for bad in [&b"000"[..], b"0006a", b"0003", b"zzzz", b"0065"] {
            assert!(incoming(&[bad]).request(flush, 100).await.is_err(), "{bad:?}");
        }
    }

    #[test]
    fn options_are_announced_in_the_first_packet() {
        let first = |line: &str| format!("{:04x}{line}0000", line.len() + 4).into_bytes();
        assert!(has_options(&first("a b refs/heads/x\0 atomic push-options agent=x\n")));
        assert!(has_options(&first("a b refs/heads/x\0push-options")));
        for none in ["a b refs/heads/x\0 atomic", "push-options", "a b push-options"] {
            assert!(!has_options(&first(none)), "{none}");
        }
        assert!(!has_options(b"") && !has_options(b"0000") && !has_options(b"00ffx"));
    }
}
