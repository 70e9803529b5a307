//! Git's wire protocol as pure code: packets, advertisements, what clients ask, what they are answered, packs.
//!
//! Nothing here opens a socket, a file or a database. Requests are parsed from bytes within limits, answers are bytes.
//! The words are those of git's own `gitprotocol-v2`, `gitprotocol-pack` and `gitformat-pack`.

mod advert;
mod bundle;
mod check;
mod delta;
mod differ;
mod filter;
mod loose;
mod pack;
mod pkt;
mod receive;
mod unpack;
mod upload;
mod window;

pub use advert::{AdvertisedRef, Advertisement, Service, Version, advertise, advertise_v2, greet, list_refs};
pub use bundle::{BundleError, BundleHead, read_bundle_head};
pub use check::{check_gitmodules, check_tree, is_gitmodules};
pub use delta::{DeltaError, apply_delta, delta_sizes};
pub use differ::DeltaIndex;
pub use filter::{Filter, FilterError};
pub use loose::loose_as_entry;
pub use pack::{INDEX_OIDS_AT, PACK_HEADER_BYTES, PACK_TRAILER_BYTES, PackHasher, PackIndex, PackWriter};
pub use pkt::{
    BAND_BYTES_MAX, Band, Pkt, PktError, PktReader, band_to, bands_to, delim_to, error_to, flush_to, line_to,
    packet_len, raw_to,
};
pub use receive::{PushCommand, PushError, PushReport, PushRequest, read_push, report};
pub use unpack::{EntryKind, Made, PackEnd, PackEntry, PackError, PackLimits, Unpack, resolve, scan};
pub use upload::{
    Deepen, FetchRequest, LsRefs, Negotiated, Negotiation, NegotiatorV0, RequestV0, RequestV2, Step, WireError,
    negotiate_v0, negotiate_v2, parse_steps, parse_v0, parse_v2,
};
pub use window::{DeltaWindow, FoundDelta, NameKey};

/// How this program names itself to clients.
pub const AGENT: &str = concat!("haina/", env!("CARGO_PKG_VERSION"));
