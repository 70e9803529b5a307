//! `haina admin limits`

use clap::Args;
use haina_types::RepoKind;

use crate::git::parse_repo;
use crate::{Store, print};

/// What a repository, and one push, may have at most. Sizes may end in K, M, G or T.
#[derive(Args)]
pub struct Limits {
    #[command(flatten)]
    store: Store,
    /// Only for this repository: namespace/name, or datasets/namespace/name and so on.
    #[arg(long)]
    repo: Option<String>,
    /// Objects of a repository's history; `default` for the usual.
    #[arg(long, value_name = "N", value_parser = parse)]
    objects: Option<Wanted>,
    /// Bytes of a repository's history, without large files.
    #[arg(long, value_name = "SIZE", value_parser = parse)]
    bytes: Option<Wanted>,
    /// Bytes of a repository's large files; usually as many as there is room for.
    #[arg(long, value_name = "SIZE", value_parser = parse)]
    large_bytes: Option<Wanted>,
    /// References of a repository.
    #[arg(long, value_name = "N", value_parser = parse)]
    refs: Option<Wanted>,
    /// References of one push.
    #[arg(long, value_name = "N", value_parser = parse)]
    push_refs: Option<Wanted>,
    /// Bytes of one push.
    #[arg(long, value_name = "SIZE", value_parser = parse)]
    push_bytes: Option<Wanted>,
}

/// A new value, or the usual one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Wanted(Option<u64>);

fn parse(text: &str) -> Result<Wanted, String> {
    if text == "default" {
        return Ok(Wanted(None));
    }
    let unit = match text.bytes().last().map(|c| c.to_ascii_uppercase()) {
        Some(b'K') => 10,
        Some(b'M') => 20,
        Some(b'G') => 30,
        Some(b'T') => 40,
        _ => 0,
    };
    let digits = if unit > 0 { &text[..text.len() - 1] } else { text };
    let number: Option<u64> = digits.parse().ok().filter(|_| digits.bytes().all(|c| c.is_ascii_digit()));
    // A database counts in signed numbers.
    let value = number.and_then(|n| n.checked_mul(1 << unit)).filter(|n| *n <= i64::MAX as u64);
    value
        .map(|n| Wanted(Some(n)))
        .ok_or_else(|| "expected a number, perhaps with K, M, G or T, or 'default'".to_owned())
}

impl Limits {
    /// Does it.
    pub async fn run(self) -> anyhow::Result<()> {
        let repo = self.repo.as_deref().map(parse_repo).transpose()?;
        let repo = repo.as_ref().map(|(kind, path)| (kind.unwrap_or(RepoKind::Model), path));
        let app = self.store.open_existing().await?;
        let given = [self.objects, self.bytes, self.large_bytes, self.refs, self.push_refs, self.push_bytes];
        if given.iter().any(Option::is_some) {
            let change = |limits: &mut haina_app::limits::LimitSettings| {
                let fields = [
                    &mut limits.objects,
                    &mut limits.bytes,
                    &mut limits.large_bytes,
                    &mut limits.refs,
                    &mut limits.push_refs,
                    &mut limits.push_bytes,
                ];
                for (field, wanted) in fields.into_iter().zip(given) {
                    if let Some(Wanted(value)) = wanted {
                        *field = value;
                    }
                }
            };
            app.set_limits(repo, change).await?;
        }
        let now = app.limits(repo).await?;
        for (name, value) in [
            ("objects", Some(now.objects)),
            ("bytes", Some(now.bytes)),
            ("large-bytes", now.large_bytes),
            ("refs", Some(now.refs)),
            ("push-refs", Some(now.push_refs)),
            ("push-bytes", Some(now.push_bytes)),
        ] {
            print(&format!("{name} {}", value.map_or_else(|| "none".to_owned(), |n| n.to_string())));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, value) in [("0", 0), ("17", 17), ("1K", 1024), ("2m", 2 << 20), ("5G", 5 << 30), ("1T", 1 << 40)] {
            assert_eq!(parse(text), Ok(Wanted(Some(value))), "{text}");
        }
        assert_eq!(parse("default"), Ok(Wanted(None)));
        for bad in ["", "K", "-1", "+1", "1.5G", "1GB", "9999999999T", "18446744073709551615", "é"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
