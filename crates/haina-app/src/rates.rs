//! How often one may ask: fixed windows, for each account, or for each address of those who do not say who they are.
//!
//! Counted in memory, each process for itself, under locks that are held for the time of one look-up. The number of
//! keys is bounded. What is said in discussions and its kin has a window of its own, so that nobody floods them at the
//! pace at which one may read.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use haina_db::meta;
use haina_net::IpNet;
use haina_types::{Code, Error, Rate, Result, Timestamp};
use serde_json::json;

use crate::{App, Caller};

/// The setting.
const KEY: &str = "rates";
/// Parts of the table, each with its own lock.
const SHARDS: usize = 64;
/// Most keys of one part. Beyond this those go whose window has ended, then those that asked least.
const SHARD_KEYS_MAX: usize = 4096;
/// Longest window, in seconds.
const WINDOW_SECONDS_MAX: u32 = 86_400;
/// Most requests of a window that can be asked for.
pub const REQUESTS_MAX: u32 = 1_000_000_000;

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The JSON doors.
    Api,
    /// Files, and git.
    Resolvers,
    /// Pages for people.
    Pages,
    /// What is said and shown to others: discussions, comments, likes, follows, requests for access.
    Community,
}

impl Class {
    const ALL: [Self; 4] = [Self::Api, Self::Resolvers, Self::Pages, Self::Community];

    /// As clients read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Resolvers => "resolvers",
            Self::Pages => "pages",
            Self::Community => "community",
        }
    }
}

/// Requests of a window: of an account, and of an address. 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Of an account.
    pub account: u32,
    /// Of an address.
    pub address: u32,
}

/// Where a rate is not the usual one. 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RateSettings {
    /// Length of the windows, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<u32>,
    /// The JSON doors, for an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<u32>,
    /// The same for an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_anonymous: Option<u32>,
    /// Files and git, for an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolvers: Option<u32>,
    /// The same for an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolvers_anonymous: Option<u32>,
    /// Pages, for an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<u32>,
    /// The same for an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages_anonymous: Option<u32>,
    /// What is said to others, for an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub community: Option<u32>,
    /// Whether requests from the hub's own machine are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<bool>,
}

/// What holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Length of the windows, in seconds.
    pub window: u32,
    /// The JSON doors.
    pub api: Pair,
    /// Files and git.
    pub resolvers: Pair,
    /// Pages.
    pub pages: Pair,
    /// What is said to others; nobody does so without an account.
    pub community: u32,
    /// Whether requests from the hub's own machine are counted that no proxy handed on. Whoever has that machine has the hub.
    pub local: bool,
}

impl Default for Rates {
    /// Enough for a laboratory behind one address; too little for a loop that was forgotten.
    fn default() -> Self {
        Self {
            window: 300,
            api: Pair { account: 20_000, address: 10_000 },
            resolvers: Pair { account: 200_000, address: 100_000 },
            pages: Pair { account: 6000, address: 3000 },
            community: 300,
            local: false,
        }
    }
}

impl RateSettings {
    fn over(self, usual: Rates) -> Rates {
        let pair = |account: Option<u32>, address: Option<u32>, usual: Pair| Pair {
            account: account.unwrap_or(usual.account),
            address: address.unwrap_or(usual.address),
        };
        Rates {
            window: self.window.unwrap_or(usual.window).clamp(1, WINDOW_SECONDS_MAX),
            api: pair(self.api, self.api_anonymous, usual.api),
            resolvers: pair(self.resolvers, self.resolvers_anonymous, usual.resolvers),
            pages: pair(self.pages, self.pages_anonymous, usual.pages),
            community: self.community.unwrap_or(usual.community),
            local: self.local.unwrap_or(usual.local),
        }
    }
}

/// Whose requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Asker {
    Account(i64),
    /// An IPv4 address, or the first half of an IPv6 address: nobody has less than that.
    Address(u64),
}

impl Asker {
    fn of_address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V4(v4) => u64::from(v4.to_bits()),
            IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64,
        })
    }
}

/// A count, and the second in which its window began.
type Counts = HashMap<(Class, Asker), (u32, i64)>;

/// What is counted, and by which limits.
#[derive(Debug)]
pub(crate) struct State {
    window: AtomicU32,
    /// By class: of an account, of an address.
    limits: [[AtomicU32; 2]; Class::ALL.len()],
    shards: Vec<Mutex<Counts>>,
    hasher: RandomState,
    proxies: Vec<IpNet>,
    counts_local: AtomicBool,
    warned: AtomicBool,
}

impl State {
    pub fn new(proxies: Vec<IpNet>) -> Self {
        let state = Self {
            window: AtomicU32::new(0),
            limits: Default::default(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            proxies,
            counts_local: AtomicBool::new(false),
            warned: AtomicBool::new(false),
        };
        state.set(Rates::default());
        state
    }

    fn set(&self, rates: Rates) {
        self.window.store(rates.window, Ordering::Relaxed);
        self.counts_local.store(rates.local, Ordering::Relaxed);
        let community = Pair { account: rates.community, address: rates.community };
        for (limits, pair) in self.limits.iter().zip([rates.api, rates.resolvers, rates.pages, community]) {
            limits[0].store(pair.account, Ordering::Relaxed);
            limits[1].store(pair.address, Ordering::Relaxed);
        }
    }

    /// Counts one request; where it stands then, or `None` if there is no limit. One that is refused is not counted.
    fn count(&self, class: Class, asker: Asker, now: Timestamp) -> Option<Rate> {
        let limit =
            self.limits[class as usize][usize::from(matches!(asker, Asker::Address(_)))].load(Ordering::Relaxed);
        if limit == 0 {
            return None;
        }
        let (window, now) = (self.window.load(Ordering::Relaxed), now.seconds());
        let ends = |began: i64| began.saturating_add(i64::from(window));
        let key = (class, asker);
        let shard = &self.shards[self.hasher.hash_one(key) as usize % SHARDS];
        let mut counts = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= SHARD_KEYS_MAX && !counts.contains_key(&key) {
            make_room(&mut counts, |began| ends(began) > now);
        }
        let (count, began) = counts.entry(key).or_insert((0, now));
        // A clock that was set back ends a window as well.
        if ends(*began) <= now || *began > now {
            (*count, *began) = (0, now);
        }
        let refused = *count >= limit;
        *count += u32::from(!refused);
        let (remaining, reset) = (limit.saturating_sub(*count), ends(*began) - now);
        let reset_seconds = u32::try_from(reset).unwrap_or(window);
        Some(Rate { class: class.name(), limit, window_seconds: window, remaining, reset_seconds, refused })
    }
}

/// Makes room in a full part of the table: windows that have ended go first, then whoever asked once, then whoever
/// asked less than the average. One who floods it with addresses has asked little from each.
fn make_room(counts: &mut Counts, runs: impl Fn(i64) -> bool) {
    counts.retain(|_, (_, began)| runs(*began));
    if counts.len() >= SHARD_KEYS_MAX {
        let average = counts.values().map(|(count, _)| u64::from(*count)).sum::<u64>() / counts.len() as u64;
        counts.retain(|_, (count, _)| u64::from(*count) > average);
    }
}

fn check(rate: Rate) -> Result<()> {
    if !rate.refused {
        return Ok(());
    }
    let Rate { class, limit, window_seconds, reset_seconds, .. } = rate;
    let text = format!(
        "Too many requests: at most {limit} of the kind \"{class}\" within {window_seconds} seconds. Please go on in {reset_seconds} seconds."
    );
    Err(Error::new(Code::RateLimited, text).rated(rate))
}

/// Counts one request, once it is known whose it is. Doors hand it from where the request comes in to where its
/// credential is read, and back.
#[derive(Clone)]
pub struct Meter(Arc<Reading>);

struct Reading {
    app: App,
    class: Class,
    address: IpAddr,
    rate: OnceLock<Option<Rate>>,
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").field("class", &self.0.class).field("address", &self.0.address).finish_non_exhaustive()
    }
}

impl Meter {
    fn count_as(&self, asker: impl FnOnce() -> Asker) -> Result<()> {
        let Reading { app, class, rate, .. } = &*self.0;
        rate.get_or_init(|| app.rates_state().count(*class, asker(), app.now())).map_or(Ok(()), check)
    }

    /// Counts the request for whoever asks; the second time and later it only says again what came of it.
    pub fn count(&self, caller: &Caller) -> Result<()> {
        self.count_as(|| match caller.user() {
            Some(user) => Asker::Account(user.id),
            None => Asker::of_address(self.0.address),
        })
    }

    /// Counts the request for its address: nobody is known, or what they showed was wrong.
    pub fn count_address(&self) -> Result<()> {
        self.count_as(|| Asker::of_address(self.0.address))
    }

    /// What came of it.
    pub fn rate(&self) -> Option<Rate> {
        self.0.rate.get().copied().flatten()
    }
}

impl App {
    /// A meter for one request, from this end of the connection; `forwarded` is what proxies say about the other ends
    /// (`X-Forwarded-For`), which counts as far as they are trusted.
    pub fn meter(&self, class: Class, peer: IpAddr, forwarded: Option<&str>) -> Meter {
        let address = match forwarded {
            Some(forwarded) => self.client_address(peer, forwarded),
            None => peer,
        };
        let is_local = forwarded.is_none() && peer.to_canonical().is_loopback();
        let rate = match is_local && !self.rates_state().counts_local.load(Ordering::Relaxed) {
            true => OnceLock::from(None),
            false => OnceLock::new(),
        };
        Meter(Arc::new(Reading { app: self.clone(), class, address, rate }))
    }

    /// Each proxy adds the address that it was asked from on the right: the first one from there that is no trusted
    /// proxy is the client's. What stands left of it may be anything.
    fn client_address(&self, peer: IpAddr, forwarded: &str) -> IpAddr {
        let state = self.rates_state();
        let trusted = |address: IpAddr| {
            let address = address.to_canonical();
            state.proxies.iter().any(|net| net.contains(&address))
        };
        if !trusted(peer) {
            if peer.to_canonical().is_loopback() && !state.warned.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "requests come through a proxy on this machine, which is not trusted, so that all who are not signed in share one limit of requests: give --trust-proxy 127.0.0.1"
                );
            }
            return peer;
        }
        let mut client = peer;
        for text in forwarded.rsplit(',').map(str::trim) {
            let Some(address) = parse_address(text) else { break };
            client = address;
            if !trusted(address) {
                break;
            }
        }
        client
    }

    fn rates_state(&self) -> &State {
        &self.inner.rates
    }

    /// Counts something that others will see: at most so many within a window, whatever way they come.
    pub(crate) fn count_community(&self, user: i64) -> Result<()> {
        self.rates_state().count(Class::Community, Asker::Account(user), self.now()).map_or(Ok(()), check)
    }

    async fn rate_settings(s: &mut haina_db::Session) -> Result<RateSettings> {
        match meta::find_setting(s, KEY).await? {
            Some(text) => serde_json::from_str(&text).map_err(Error::internal),
            None => Ok(RateSettings::default()),
        }
    }

    /// Reads the setting again: it may have been changed at the command line.
    pub(crate) async fn reload_rates(&self) -> Result<()> {
        let rates = self.rates().await?;
        self.rates_state().set(rates);
        Ok(())
    }

    /// What holds. For the operator.
    pub async fn rates(&self) -> Result<Rates> {
        let mut s = self.db().read().await?;
        Ok(Self::rate_settings(&mut s).await?.over(Rates::default()))
    }

    /// Changes what holds; what `change` does not touch stays. A running hub follows within seconds. For the operator.
    pub async fn set_rates(&self, change: impl FnOnce(&mut RateSettings) + Send) -> Result<()> {
        let mut tx = self.db().begin().await?;
        let mut new = Self::rate_settings(&mut tx).await?;
        change(&mut new);
        if new.window.is_some_and(|w| !(1..=WINDOW_SECONDS_MAX).contains(&w)) {
            return Err(Error::invalid(format!("A window has 1 to {WINDOW_SECONDS_MAX} seconds.")));
        }
        if new == RateSettings::default() {
            meta::delete_setting(&mut tx, KEY).await?;
        } else {
            let text = serde_json::to_string(&new).map_err(Error::internal)?;
            meta::put_setting(&mut tx, KEY, &text).await?;
        }
        self.append(&mut tx, None, "setting.change", None, None, json!({"key": KEY, "value": new})).await?;
        tx.commit().await?;
        self.reload_rates().await
    }
}

/// An address as proxies write it, perhaps with a port.
fn parse_address(text: &str) -> Option<IpAddr> {
    let parse_pair = |text: &str| text.parse::<std::net::SocketAddr>().ok().map(|pair| pair.ip());
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| parse_pair(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
    use super::*;

    fn address(text: &str) -> Asker {
        Asker::of_address(text.parse().unwrap())
    }

    #[test]
    fn a_window_is_full_and_then_begins_anew() {
        let state = State::new(Vec::new());
        let pair = Pair { account: 3, address: 1 };
        state.set(Rates { window: 10, api: pair, ..Rates::default() });
        let (ada, now) = (Asker::Account(7), Timestamp(1_000_000));
        let count = |asker, seconds| state.count(Class::Api, asker, now.plus_seconds(seconds)).unwrap();
        let seen: Vec<_> = (0..4).map(|i| count(ada, i)).map(|r| (r.remaining, r.reset_seconds, r.refused)).collect();
        assert_eq!(seen, [(2, 10, false), (1, 9, false), (0, 8, false), (0, 7, true)]);
        // Others, and other classes, are counted by themselves.
        assert!(!count(address("192.0.2.1"), 3).refused && count(address("192.0.2.1"), 3).refused);
        assert!(!count(Asker::Account(8), 3).refused);
        assert_eq!(state.count(Class::Resolvers, ada, now).unwrap().remaining, 199_999);
        assert!(count(ada, 9).refused && !count(ada, 10).refused);
        // A clock set back by an hour does not shut anybody out for that hour.
        for _ in 0..5 {
            count(ada, 11);
        }
        assert!(!count(ada, -3600).refused);
        state.set(Rates { api: Pair { account: 0, address: 1 }, ..Rates::default() });
        assert_eq!(state.count(Class::Api, ada, now), None);
    }

    #[test]
    fn half_an_address_of_ipv6_is_one_asker() {
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:2"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
    }

    #[test]
    fn memory_is_bounded_and_whoever_asks_much_is_remembered() {
        let state = State::new(Vec::new());
        let pair = Pair { account: 100, address: 100 };
        state.set(Rates { api: pair, ..Rates::default() });
        let now = Timestamp(0);
        let greedy = address("192.0.2.1");
        for _ in 0..100 {
            state.count(Class::Api, greedy, now);
        }
        for i in 0..(SHARDS * SHARD_KEYS_MAX + 100_000) as u64 {
            state.count(Class::Api, Asker::Address(1 << 40 | i), now);
        }
        let kept: usize = state.shards.iter().map(|s| s.lock().unwrap().len()).sum();
        assert!(kept <= SHARDS * SHARD_KEYS_MAX, "{kept}");
        assert!(state.count(Class::Api, greedy, now).unwrap().refused);
    }

    #[test]
    fn addresses_as_proxies_write_them() {
        for (text, ip) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("[::1]:80", "::1"),
        ] {
            assert_eq!(parse_address(text), Some(ip.parse().unwrap()), "{text}");
        }
        for bad in ["", "unknown", "_hidden", "192.0.2", "[::1", "192.0.2.1, 192.0.2.2"] {
            assert_eq!(parse_address(bad), None, "{bad}");
        }
    }
}
