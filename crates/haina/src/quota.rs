//! `haina admin quota …`

use clap::{Args, Subcommand};
use haina_app::quotas::{Bound, QuotaOf, QuotaSettings, amount};
use haina_types::Slug;

use crate::{Store, print};

/// What users and organizations may have at most: bytes, and repositories.
#[derive(Subcommand)]
pub enum Quotas {
    /// Print a quota; of a name also what is used of it.
    Show {
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        store: Store,
    },
    /// Change a quota; what is not given stays. Whoever has more already keeps it, and can add nothing.
    Set {
        #[command(flatten)]
        of: Of,
        /// Bytes of files, histories and large files together: a number, perhaps with KB, MB, GB, TB (thousands) or
        /// K, M, G, T, KiB, MiB, GiB, TiB (1024s), or `none` for no limit.
        #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
        bytes: Option<Bound>,
        /// Repositories and buckets, or `none` for no limit.
        #[arg(long, value_name = "N", value_parser = parse_count)]
        repos: Option<Bound>,
        #[command(flatten)]
        store: Store,
    },
    /// Take back what was set, both if none is named: then what is set for all holds.
    Unset {
        #[command(flatten)]
        of: Of,
        /// The bytes.
        #[arg(long)]
        bytes: bool,
        /// The repositories.
        #[arg(long)]
        repos: bool,
        #[command(flatten)]
        store: Store,
    },
}

/// Whose quota.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Of {
    /// A user or an organization.
    name: Option<Slug>,
    /// Every user without a quota of their own.
    #[arg(long)]
    users: bool,
    /// Every organization without a quota of its own.
    #[arg(long)]
    orgs: bool,
}

impl Of {
    fn of(self) -> QuotaOf {
        match self.name {
            Some(name) => QuotaOf::Name(name),
            None if self.orgs => QuotaOf::Orgs,
            None => QuotaOf::Users,
        }
    }
}

fn bound(value: Option<u64>) -> Result<Bound, String> {
    // A database counts in signed numbers.
    let value = value.filter(|n| *n <= i64::MAX as u64);
    value.map(Bound::Most).ok_or_else(|| "expected a number, such as 1000, 500GB or 2TiB, or 'none'".to_owned())
}

fn parse_count(text: &str) -> Result<Bound, String> {
    if text == "none" {
        return Ok(Bound::Unlimited);
    }
    bound(text.parse().ok().filter(|_: &u64| text.bytes().all(|c| c.is_ascii_digit())))
}

fn parse_bytes(text: &str) -> Result<Bound, String> {
    if text == "none" {
        return Ok(Bound::Unlimited);
    }
    let end = text.bytes().position(|c| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit: Option<u64> = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "k" | "kib" => Some(1 << 10),
        "m" | "mib" => Some(1 << 20),
        "g" | "gib" => Some(1 << 30),
        "t" | "tib" => Some(1 << 40),
        "kb" => Some(1000),
        "mb" => Some(1_000_000),
        "gb" => Some(1_000_000_000),
        "tb" => Some(1_000_000_000_000),
        _ => None,
    };
    bound(unit.and_then(|unit| digits.parse::<u64>().ok()?.checked_mul(unit)))
}

fn say_bound(name: &str, value: Option<Bound>) -> String {
    match value {
        None => format!("{name} not set"),
        Some(Bound::Unlimited) => format!("{name} none"),
        Some(Bound::Most(most)) => format!("{name} {most}"),
    }
}

impl Quotas {
    /// Does it.
    pub async fn run(self) -> anyhow::Result<()> {
        let (app, of) = match self {
            Self::Show { of, store } => (store.open_existing().await?, of.of()),
            Self::Set { of, bytes, repos, store } => {
                anyhow::ensure!(bytes.is_some() || repos.is_some(), "say what to set: --bytes SIZE, --repos N or both");
                let (app, of) = (store.open_existing().await?, of.of());
                let change = |q: &mut QuotaSettings| {
                    q.bytes = bytes.or(q.bytes);
                    q.repos = repos.or(q.repos);
                };
                app.set_quota(&of, change).await?;
                (app, of)
            }
            Self::Unset { of, bytes, repos, store } => {
                let (app, of) = (store.open_existing().await?, of.of());
                let change = |q: &mut QuotaSettings| {
                    if bytes || !repos {
                        q.bytes = None;
                    }
                    if repos || !bytes {
                        q.repos = None;
                    }
                };
                app.set_quota(&of, change).await?;
                (app, of)
            }
        };
        let QuotaOf::Name(name) = &of else {
            let set = app.quota_settings(&of).await?;
            print(&say_bound("bytes", set.bytes));
            print(&say_bound("repos", set.repos));
            return Ok(());
        };
        let now = app.quota_of_name(name).await?;
        let most = |most: Option<u64>| most.map_or_else(|| "none".to_owned(), |n| n.to_string());
        let bytes = now.used.bytes();
        print(&format!("bytes {bytes} of {} ({})", most(now.quota.bytes), amount(bytes)));
        print(&format!("repos {} of {}", now.used.repos, most(now.quota.repos)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let good = [
            ("0", 0),
            ("17", 17),
            ("17b", 17),
            ("1K", 1024),
            ("2MiB", 2 << 20),
            ("500GB", 500_000_000_000),
            ("1tb", 1_000_000_000_000),
            ("3T", 3 << 40),
        ];
        for (text, value) in good {
            assert_eq!(parse_bytes(text), Ok(Bound::Most(value)), "{text}");
        }
        assert_eq!(parse_bytes("none"), Ok(Bound::Unlimited));
        for bad in ["", "K", "-1", "+1", "1.5G", "1 GB", "1EB", "9999999999T", "18446744073709551615", "é", "1é"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_count("12"), Ok(Bound::Most(12)));
        for bad in ["", "1K", "-1", "+1", "1.0"] {
            assert!(parse_count(bad).is_err(), "{bad}");
        }
    }
}
