//! An address to ask, read as browsers read it, so that no spelling of a host is mistaken for another.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use crate::Rules;

/// Longest address, in bytes.
pub const URL_BYTES_MAX: usize = 2048;

/// Why an address is refused. The text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not an address.
    #[error("it is not an address: {0}")]
    Shape(String),
    /// Too long.
    #[error("an address has at most {URL_BYTES_MAX} bytes")]
    Length,
    /// Neither http nor https.
    #[error("it must begin with http:// or https://")]
    Scheme,
    /// User name or password.
    #[error("it must not contain a user name or password")]
    Credentials,
    /// An address that may not be asked.
    #[error(
        "{0} is not on the public Internet, and this server does not ask such addresses unless its operator allows it"
    )]
    Closed(IpAddr),
}

/// An address that has the right shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
}

impl Target {
    /// Reads an address; one that names an IP address which `rules` close is refused at once.
    pub fn parse(text: &str, rules: &Rules) -> Result<Self, TargetError> {
        if text.len() > URL_BYTES_MAX {
            return Err(TargetError::Length);
        }
        let mut url = Url::parse(text.trim()).map_err(|e| TargetError::Shape(e.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(TargetError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::Credentials);
        }
        url.set_fragment(None);
        let target = Self { url };
        match target.ip() {
            Some(ip) if !rules.allow(ip) => Err(TargetError::Closed(ip)),
            _ => Ok(target),
        }
    }

    /// The address in its canonical form.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }

    /// The address that stands there instead of a name.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        match self.url.host()? {
            Host::Ipv4(ip) => Some(ip.into()),
            Host::Ipv6(ip) => Some(ip.into()),
            Host::Domain(_) => None,
        }
    }

    /// The host as TLS and the resolver know it.
    pub(crate) fn host(&self) -> &str {
        let host = self.url.host_str().unwrap_or("");
        host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host)
    }

    /// The `Host` header.
    pub(crate) fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or("");
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Path and query.
    pub(crate) fn path(&self) -> String {
        match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, TargetError> {
        Target::parse(text, &Rules::default())
    }

    #[test]
    fn addresses_are_read_as_browsers_read_them() {
        let target = parse(" https://Hooks.Example:8443/a b?q=ü#part ").unwrap();
        assert_eq!(target.as_str(), "https://hooks.example:8443/a%20b?q=%C3%BC");
        assert_eq!(
            (target.host(), target.port(), target.authority().as_str()),
            ("hooks.example", 8443, "hooks.example:8443")
        );
        assert_eq!(target.path(), "/a%20b?q=%C3%BC");
        let target = parse("http://[2606:4700::1111]").unwrap();
        assert_eq!(
            (target.host(), target.authority().as_str(), target.path().as_str()),
            ("2606:4700::1111", "[2606:4700::1111]", "/")
        );
        assert!(parse("https://模型.example/").unwrap().host().starts_with("xn--"));
    }

    #[test]
    fn other_shapes_are_refused() {
        for (text, want) in [
            ("ftp://a.example", TargetError::Scheme),
            ("file:///etc/passwd", TargetError::Scheme),
            ("gopher://a.example:70/_x", TargetError::Scheme),
            ("javascript:alert(1)", TargetError::Scheme),
            ("https://user:secret@a.example/", TargetError::Credentials),
            ("https://user@a.example/", TargetError::Credentials),
        ] {
            assert_eq!(parse(text), Err(want), "{text}");
        }
        for text in [
            "",
            "a.example",
            "/path",
            "http://",
            "http:// /",
            "http://a b/",
            "http://[::1",
            "http://1.2.3.4.5/",
            "http://a.example:99999/",
        ] {
            assert!(matches!(parse(text), Err(TargetError::Shape(_))), "{text}: {:?}", parse(text));
        }
        assert_eq!(parse(&format!("https://a.example/{}", "x".repeat(2048))), Err(TargetError::Length));
    }

    #[test]
    fn closed_addresses_are_refused_in_every_spelling() {
        for text in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://0/",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::ffff:169.254.169.254]/",
            "http://169.254.169.254/latest/meta-data",
            "http://１２７.０.０.１/",
            "http://10.0.0.1:80/",
            "https://[fd00:ec2::254]/",
            "http://127.0.0.1./",
        ] {
            assert!(matches!(parse(text), Err(TargetError::Closed(_))), "{text}: {:?}", parse(text));
        }
        let rules = Rules::new(["127.0.0.0/8".parse().unwrap()]);
        assert!(Target::parse("http://127.1:9/", &rules).is_ok());
    }
}
