//! What Haina asks of other servers, in the name of people whom it does not trust: one request at a time, only to
//! addresses that may be asked.
//!
//! A name is resolved once, every address that it stands for is judged ([`Rules`]), and the connection goes to a judged
//! address and no other: a name that points elsewhere a moment later gains nothing. Redirects are not followed, TLS is
//! verified, and time and bytes have limits.

mod client;
mod rules;
mod target;

pub use client::{Answer, Client, Failure, Limits};
pub use ipnet::IpNet;
pub use rules::Rules;
pub use target::{Target, TargetError};
