//! Packets: four hexadecimal digits of length, then bytes. Side bands are packets whose first byte says what they are.

use std::io::{self, Read};

/// Most bytes of a packet's payload.
const PAYLOAD_BYTES_MAX: usize = 65_516;
/// Most bytes that one side-band packet carries with `side-band-64k`.
pub const BAND_BYTES_MAX: usize = PAYLOAD_BYTES_MAX - 1;
/// The same with the old `side-band`.
const BAND_BYTES_OLD: usize = 995;

/// A packet, or one of the marks between packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pkt<'a> {
    /// `0000`
    Flush,
    /// `0001`
    Delim,
    /// Bytes; of a text the line feed at its end, if any, is still there.
    Data(&'a [u8]),
}

impl<'a> Pkt<'a> {
    /// The payload without the one line feed that may end it.
    pub fn line(self) -> Option<&'a [u8]> {
        match self {
            Self::Data(data) => Some(data.strip_suffix(b"\n").unwrap_or(data)),
            _ => None,
        }
    }
}

/// Why packets cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PktError {
    /// Not four hexadecimal digits, or a length that no packet has.
    #[error("bad packet length")]
    Length,
    /// The input ends inside a packet.
    #[error("the request ends inside a packet")]
    Cut,
    /// The input cannot be read.
    #[error("the request cannot be read")]
    Io(#[source] io::Error),
}

/// Reads packets from anything that can be read; a slice too.
#[derive(Debug)]
pub struct PktReader<R> {
    from: R,
    buffer: Vec<u8>,
}

/// How many bytes a packet has, of which these four are the first; of a mark between packets, less than four.
pub fn packet_len(head: [u8; 4]) -> Result<usize, PktError> {
    let mut len = 0usize;
    for digit in head {
        len = len << 4 | (digit as char).to_digit(16).ok_or(PktError::Length)? as usize;
    }
    match len {
        0 | 1 | 4..=65_520 => Ok(len),
        _ => Err(PktError::Length),
    }
}

impl<R: Read> PktReader<R> {
    /// Reads from here on.
    pub fn new(from: R) -> Self {
        Self { from, buffer: Vec::new() }
    }

    /// What is left of the input: nothing was read ahead.
    pub fn into_inner(self) -> R {
        self.from
    }

    fn fill(&mut self, len: usize) -> Result<(), PktError> {
        self.buffer.resize(len, 0);
        self.from.read_exact(&mut self.buffer).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => PktError::Cut,
            _ => PktError::Io(e),
        })
    }

    /// The next packet; `None` where the input ends between packets.
    pub fn read(&mut self) -> Result<Option<Pkt<'_>>, PktError> {
        let mut head = [0u8; 4];
        let mut got = 0;
        while got < 4 {
            match self.from.read(&mut head[got..]) {
                Ok(0) if got == 0 => return Ok(None),
                Ok(0) => return Err(PktError::Cut),
                Ok(n) => got += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(PktError::Io(e)),
            }
        }
        match packet_len(head)? {
            0 => Ok(Some(Pkt::Flush)),
            1 => Ok(Some(Pkt::Delim)),
            len => {
                self.fill(len - 4)?;
                Ok(Some(Pkt::Data(&self.buffer)))
            }
        }
    }
}

/// A packet of these bytes.
///
/// # Panics
/// With more than 65,516 bytes.
pub fn raw_to(out: &mut Vec<u8>, payload: &[u8]) {
    assert!(payload.len() <= PAYLOAD_BYTES_MAX, "because packets are cut before they are framed");
    out.extend_from_slice(format!("{:04x}", payload.len() + 4).as_bytes());
    out.extend_from_slice(payload);
}

/// A packet of one line; the line feed is added.
pub fn line_to(out: &mut Vec<u8>, text: &str) {
    // Lines are made of names and ids, whose lengths are limited; an error text is cut elsewhere.
    raw_to(out, format!("{text}\n").as_bytes());
}

/// `0000`
pub fn flush_to(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0000");
}

/// `0001`
pub fn delim_to(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0001");
}

/// The packet that ends a conversation with words for the person at the other end.
pub fn error_to(out: &mut Vec<u8>, text: &str) {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(1000).collect();
    line_to(out, &format!("ERR {clean}"));
}

/// What a side-band packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Band {
    /// The pack, or the report.
    Data = 1,
    /// For the person's screen.
    Progress = 2,
    /// For the person's screen, and the end.
    Error = 3,
}

/// One side-band packet of at most [`BAND_BYTES_MAX`] bytes; without bytes it only keeps the line alive.
pub fn band_to(out: &mut Vec<u8>, band: Band, payload: &[u8]) {
    out.extend_from_slice(format!("{:04x}", payload.len() + 5).as_bytes());
    out.push(band as u8);
    out.extend_from_slice(payload);
}

/// As many side-band packets as the bytes need; `large` with `side-band-64k`.
pub fn bands_to(out: &mut Vec<u8>, band: Band, payload: &[u8], large: bool) {
    for piece in payload.chunks(if large { BAND_BYTES_MAX } else { BAND_BYTES_OLD }) {
        band_to(out, band, piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Option<Vec<u8>>>, PktError> {
        let mut reader = PktReader::new(bytes);
        let mut out = Vec::new();
        while let Some(pkt) = reader.read()? {
            out.push(match pkt {
                Pkt::Data(d) => Some(d.to_vec()),
                _ => None,
            });
        }
        Ok(out)
    }

    #[test]
    fn packets_come_back() {
        let mut out = Vec::new();
        line_to(&mut out, "hello");
        delim_to(&mut out);
        raw_to(&mut out, b"");
        flush_to(&mut out);
        assert_eq!(out, b"000ahello\n000100040000");
        assert_eq!(read(&out).unwrap(), [Some(b"hello\n".to_vec()), None, Some(vec![]), None]);
        assert_eq!(read(b"000Ahello\n").unwrap(), [Some(b"hello\n".to_vec())]);
    }

    #[test]
    fn broken_packets_are_errors_at_every_byte() {
        for bad in [&b"0003"[..], b"0002", b"fff1", b"ffff", b"00g0", b"-001", b"+005a", b" 005"] {
            assert!(matches!(read(bad), Err(PktError::Length)), "{bad:?}");
        }
        let whole = b"000ahello\n";
        for cut in 1..whole.len() {
            assert!(matches!(read(&whole[..cut]), Err(PktError::Cut)), "{cut}");
        }
    }

    #[test]
    fn bands_are_cut() {
        let mut out = Vec::new();
        bands_to(&mut out, Band::Data, &vec![7; BAND_BYTES_MAX + 1], true);
        assert!(out.starts_with(b"fff0\x01"));
        assert_eq!(&out[65_520..], b"0006\x01\x07");
        let mut out = Vec::new();
        bands_to(&mut out, Band::Progress, &[7; 996], false);
        assert!(out.starts_with(b"03e8\x02"));
    }
}
