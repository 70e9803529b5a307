//! Checking a xorb while it arrives.

use bytes::Bytes;
use haina_types::XetHash;

use super::{INDEX_ENTRY_BYTES, XorbError, XorbIndex};
use crate::footer::FOOTER_IDENT;
use crate::frame::{Decoder, HEADER_BYTES, Header};
use crate::hash::{Merkle, chunk_hash};
use crate::{XORB_BODY_BYTES_MAX, XORB_CHUNKS_MAX, XORB_RAW_BYTES_MAX};

/// A client's footer is dropped, but not without end.
const DROPPED_BYTES_MAX: usize = 1 << 20;

/// Collects chunks into a [`XorbIndex`] and computes the xorb's hash on the way.
#[derive(Debug, Default)]
pub struct IndexBuilder {
    blob: Vec<u8>,
    merkle: Merkle,
    frame_end: u32,
    raw_end: u32,
}

impl IndexBuilder {
    /// How many chunks so far.
    pub fn chunk_count(&self) -> usize {
        self.blob.len() / INDEX_ENTRY_BYTES
    }

    /// Bytes of all frames so far.
    pub fn frames_len(&self) -> u32 {
        self.frame_end
    }

    /// Raw bytes of all chunks so far.
    pub fn raw_total(&self) -> u32 {
        self.raw_end
    }

    /// Whether a chunk fits, or which limit it exceeds.
    pub fn check(&self, frame_len: usize, raw_len: u32) -> Result<(), XorbError> {
        if self.chunk_count() == XORB_CHUNKS_MAX {
            return Err(XorbError::TooManyChunks);
        }
        if u64::from(self.raw_end) + u64::from(raw_len) > XORB_RAW_BYTES_MAX {
            return Err(XorbError::TooMuchRaw);
        }
        if u64::from(self.frame_end) + frame_len as u64 > XORB_BODY_BYTES_MAX {
            return Err(XorbError::BodyTooLarge);
        }
        Ok(())
    }

    /// Adds a chunk for which [`IndexBuilder::check`] holds.
    pub fn push(&mut self, hash: XetHash, frame_len: usize, raw_len: u32) -> Result<(), XorbError> {
        self.check(frame_len, raw_len)?;
        self.frame_end += frame_len as u32;
        self.raw_end += raw_len;
        self.blob.extend_from_slice(hash.as_bytes());
        self.blob.extend_from_slice(&self.frame_end.to_le_bytes());
        self.blob.extend_from_slice(&self.raw_end.to_le_bytes());
        self.merkle.push(hash, raw_len.into());
        Ok(())
    }

    /// The xorb's hash and its index.
    pub fn finish(self) -> Result<(XetHash, XorbIndex), XorbError> {
        if self.blob.is_empty() {
            return Err(XorbError::Empty);
        }
        Ok((self.merkle.xorb_hash(), XorbIndex { blob: Bytes::from(self.blob) }))
    }
}

/// Checks a xorb while it arrives, in slices of any size. Holds at most one frame.
#[derive(Debug, Default)]
pub struct XorbVerifier {
    decoder: Decoder,
    /// The start of a frame whose end has not arrived.
    open: Vec<u8>,
    index: IndexBuilder,
    /// Bytes of a footer so far: the first ones are compared with its identifier, the rest dropped.
    footer: Option<usize>,
    failed: Option<XorbError>,
}

impl XorbVerifier {
    /// Takes the next bytes of the body. Returns how many of them, from their start, belong to the xorb's frames:
    /// all, until a client's footer begins, which is dropped. After an error every call gives that error.
    pub fn feed(&mut self, body: &[u8]) -> Result<usize, XorbError> {
        if let Some(e) = &self.failed {
            return Err(e.clone());
        }
        self.step(body).inspect_err(|e| self.failed = Some(e.clone()))
    }

    fn step(&mut self, body: &[u8]) -> Result<usize, XorbError> {
        let mut rest = body;
        while !rest.is_empty() && self.footer.is_none() {
            if self.open.is_empty() {
                if rest[0] == FOOTER_IDENT[0] {
                    self.footer = Some(0);
                    break;
                }
                if let Some(head) = rest.first_chunk() {
                    let header = self.header(head)?;
                    let frame_len = HEADER_BYTES + header.payload_len as usize;
                    if let Some((frame, after)) = rest.split_at_checked(frame_len) {
                        frame_in(&mut self.decoder, &mut self.index, &header, frame)?;
                        rest = after;
                        continue;
                    }
                }
            }
            let wanted = match self.open.first_chunk() {
                Some(head) => HEADER_BYTES + self.header(head)?.payload_len as usize,
                None => HEADER_BYTES,
            };
            let (now, after) = rest.split_at(rest.len().min(wanted - self.open.len()));
            self.open.extend_from_slice(now);
            rest = after;
            if let Some(head) = self.open.first_chunk() {
                let header = self.header(head)?;
                if self.open.len() == HEADER_BYTES + header.payload_len as usize {
                    frame_in(&mut self.decoder, &mut self.index, &header, &self.open)?;
                    self.open.clear();
                }
            }
        }
        let kept = body.len() - rest.len();
        if let Some(seen) = &mut self.footer {
            let ident = &FOOTER_IDENT[(*seen).min(FOOTER_IDENT.len())..];
            if ident.iter().zip(rest).any(|(a, b)| a != b) {
                let error = crate::frame::FrameError::Version(FOOTER_IDENT[0]);
                return Err(XorbError::Frame { chunk: self.index.chunk_count() as u32, error });
            }
            *seen = seen.saturating_add(rest.len());
            if *seen > DROPPED_BYTES_MAX {
                return Err(XorbError::BodyTooLarge);
            }
        }
        Ok(kept)
    }

    /// Parses a header as soon as it is there, so that a bad one is refused before its payload arrives.
    fn header(&self, head: &[u8; HEADER_BYTES]) -> Result<Header, XorbError> {
        let chunk = self.index.chunk_count() as u32;
        let header = Header::parse(head).map_err(|error| XorbError::Frame { chunk, error })?;
        self.index.check(HEADER_BYTES + header.payload_len as usize, header.raw_len)?;
        Ok(header)
    }

    /// Bytes of all whole frames so far.
    pub fn frames_len(&self) -> u32 {
        self.index.frames_len()
    }

    /// The body has ended: checks that nothing is missing and that the content has the expected hash.
    pub fn finish(self, expected: &XetHash) -> Result<XorbIndex, XorbError> {
        let (actual, index) = self.finish_any()?;
        if actual != *expected {
            return Err(XorbError::Hash { expected: *expected, actual });
        }
        Ok(index)
    }

    /// Like [`XorbVerifier::finish`] where no hash is expected: returns the one found.
    pub fn finish_any(self) -> Result<(XetHash, XorbIndex), XorbError> {
        if let Some(e) = self.failed {
            return Err(e);
        }
        match (self.footer, self.open.len()) {
            (Some(seen), _) if seen < FOOTER_IDENT.len() => Err(XorbError::Trailing { bytes: seen }),
            (_, 0) => self.index.finish(),
            (_, n) if n < HEADER_BYTES => Err(XorbError::Trailing { bytes: n }),
            _ => Err(XorbError::Truncated { chunk: self.index.chunk_count() as u32 }),
        }
    }
}

fn frame_in(decoder: &mut Decoder, index: &mut IndexBuilder, header: &Header, frame: &[u8]) -> Result<(), XorbError> {
    let chunk = index.chunk_count() as u32;
    let raw = decoder.decode(header, &frame[HEADER_BYTES..]).map_err(|error| XorbError::Frame { chunk, error })?;
    index.push(chunk_hash(raw), frame.len(), header.raw_len)
}
