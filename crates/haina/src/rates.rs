//! `haina admin rates`

use clap::Args;
use haina_app::rates::{Pair, REQUESTS_MAX};

use crate::{Store, print};

/// How many requests are answered within a window, for each account and for each address of those who are not signed
/// in. A number, `off`, or `default` for the usual.
#[derive(Args)]
pub struct Rates {
    #[command(flatten)]
    store: Store,
    /// Length of the windows, in seconds.
    #[arg(long, value_name = "SECONDS", value_parser = parse_window)]
    window: Option<Wanted>,
    /// Of the API, for an account.
    #[arg(long, value_name = "N", value_parser = parse)]
    api: Option<Wanted>,
    /// Of the API, for an address.
    #[arg(long, value_name = "N", value_parser = parse)]
    api_anonymous: Option<Wanted>,
    /// Of files and git, for an account.
    #[arg(long, value_name = "N", value_parser = parse)]
    resolvers: Option<Wanted>,
    /// Of files and git, for an address.
    #[arg(long, value_name = "N", value_parser = parse)]
    resolvers_anonymous: Option<Wanted>,
    /// Of pages, for an account.
    #[arg(long, value_name = "N", value_parser = parse)]
    pages: Option<Wanted>,
    /// Of pages, for an address.
    #[arg(long, value_name = "N", value_parser = parse)]
    pages_anonymous: Option<Wanted>,
    /// Of discussions, comments, likes, follows and requests for access, for an account.
    #[arg(long, value_name = "N", value_parser = parse)]
    community: Option<Wanted>,
    /// Whether requests from this machine are counted that no proxy handed on: `on`, `off` or `default`.
    #[arg(long, value_name = "ON", value_parser = parse_switch)]
    local: Option<Switch>,
}

/// The same of a switch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Switch(Option<bool>);

fn parse_switch(text: &str) -> Result<Switch, &'static str> {
    match text {
        "default" => Ok(Switch(None)),
        "on" => Ok(Switch(Some(true))),
        "off" => Ok(Switch(Some(false))),
        _ => Err("expected 'on', 'off' or 'default'"),
    }
}

/// A new value, or the usual one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Wanted(Option<u32>);

fn parse(text: &str) -> Result<Wanted, String> {
    match text {
        "default" => Ok(Wanted(None)),
        "off" => Ok(Wanted(Some(0))),
        _ => text
            .parse()
            .ok()
            .filter(|n| (1..=REQUESTS_MAX).contains(n) && text.bytes().all(|c| c.is_ascii_digit()))
            .map(|n| Wanted(Some(n)))
            .ok_or_else(|| format!("expected a number from 1 to {REQUESTS_MAX}, 'off' or 'default'")),
    }
}

fn parse_window(text: &str) -> Result<Wanted, String> {
    match text {
        "default" => Ok(Wanted(None)),
        _ => text.parse().map(|n| Wanted(Some(n))).map_err(|_| "expected seconds, or 'default'".to_owned()),
    }
}

impl Rates {
    /// Does it.
    pub async fn run(self) -> anyhow::Result<()> {
        let app = self.store.open_existing().await?;
        let given = [
            self.window,
            self.api,
            self.api_anonymous,
            self.resolvers,
            self.resolvers_anonymous,
            self.pages,
            self.pages_anonymous,
            self.community,
        ];
        if given.iter().any(Option::is_some) || self.local.is_some() {
            let change = |rates: &mut haina_app::rates::RateSettings| {
                let fields = [
                    &mut rates.window,
                    &mut rates.api,
                    &mut rates.api_anonymous,
                    &mut rates.resolvers,
                    &mut rates.resolvers_anonymous,
                    &mut rates.pages,
                    &mut rates.pages_anonymous,
                    &mut rates.community,
                ];
                for (field, wanted) in fields.into_iter().zip(given) {
                    if let Some(Wanted(value)) = wanted {
                        *field = value;
                    }
                }
                if let Some(Switch(value)) = self.local {
                    rates.local = value;
                }
            };
            app.set_rates(change).await?;
        }
        let now = app.rates().await?;
        print(&format!("window {}", now.window));
        let show = |name: &str, value: u32| {
            print(&format!("{name} {}", if value == 0 { "off".to_owned() } else { value.to_string() }));
        };
        for (name, Pair { account, address }) in [("api", now.api), ("resolvers", now.resolvers), ("pages", now.pages)]
        {
            show(name, account);
            show(&format!("{name}-anonymous"), address);
        }
        show("community", now.community);
        print(&format!("local {}", if now.local { "on" } else { "off" }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(parse("17"), Ok(Wanted(Some(17))));
        assert_eq!(parse("off"), Ok(Wanted(Some(0))));
        assert_eq!(parse("default"), Ok(Wanted(None)));
        for bad in ["", "0", "-1", "+1", "1.5", "1K", "none", "1000000001"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
