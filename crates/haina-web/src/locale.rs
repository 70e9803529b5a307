//! The three languages of the pages: how one is chosen, and how it writes numbers, sizes and dates.

use haina_types::Timestamp;

/// A value behind as many references as a template puts before it.
pub(crate) trait Plain<T> {
    /// The value.
    fn plain(&self) -> T;
}

impl Plain<u64> for u64 {
    fn plain(&self) -> u64 {
        *self
    }
}

impl Plain<Timestamp> for Timestamp {
    fn plain(&self) -> Timestamp {
        *self
    }
}

impl<T, P: Plain<T>> Plain<T> for &P {
    fn plain(&self) -> T {
        (*self).plain()
    }
}

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Locale {
    /// 简体中文.
    ZhHans,
    /// 繁體中文, with the words of Taiwan.
    ZhHant,
    /// English.
    En,
}

impl Locale {
    /// Every language, in the order of the switch.
    pub const ALL: [Self; 3] = [Self::ZhHans, Self::ZhHant, Self::En];

    /// The BCP 47 tag: of `<html lang>`, of the cookie and of the catalogue's file.
    pub fn tag(self) -> &'static str {
        match self {
            Self::ZhHans => "zh-Hans",
            Self::ZhHant => "zh-Hant",
            Self::En => "en",
        }
    }

    /// What the language calls itself.
    pub fn endonym(self) -> &'static str {
        match self {
            Self::ZhHans => "简体中文",
            Self::ZhHant => "繁體中文",
            Self::En => "English",
        }
    }

    /// From the exact tag.
    pub fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.tag() == tag)
    }

    /// The language for a request: the visitor's own choice, else the best of `Accept-Language`, else English.
    pub fn negotiate(chosen: Option<&str>, accept: Option<&str>) -> Self {
        if let Some(locale) = chosen.and_then(Self::from_tag) {
            return locale;
        }
        let mut best: Option<(Self, f32)> = None;
        // A header longer than this is nobody's list of languages.
        for item in accept.unwrap_or("").split(',').take(32) {
            let mut parts = item.split(';');
            let Some(locale) = Self::from_range(parts.next().unwrap_or("").trim()) else { continue };
            let q = parts
                .find_map(|p| p.trim().strip_prefix("q=").map(|q| q.trim().parse::<f32>().unwrap_or(0.0)))
                .unwrap_or(1.0);
            // Equal weights: the first one named wins.
            if q > 0.0 && best.is_none_or(|(_, b)| q > b) {
                best = Some((locale, q));
            }
        }
        best.map_or(Self::En, |(locale, _)| locale)
    }

    /// What a language range of a browser asks for. Script decides before region.
    fn from_range(range: &str) -> Option<Self> {
        let range = range.to_ascii_lowercase();
        let mut subtags = range.split(['-', '_']);
        match subtags.next()? {
            "en" => Some(Self::En),
            "zh" | "cmn" | "yue" => {
                let rest: Vec<&str> = subtags.collect();
                let traditional = rest.contains(&"hant")
                    || (!rest.contains(&"hans") && rest.iter().any(|s| matches!(*s, "tw" | "hk" | "mo")));
                Some(if traditional { Self::ZhHant } else { Self::ZhHans })
            }
            _ => None,
        }
    }

    /// `24,310`.
    pub fn number(self, value: impl Plain<u64>) -> String {
        grouped(value.plain())
    }

    /// The short form of lists: `2.4 万`, `2.4 萬`, `24K`; exact below ten thousand.
    pub fn short(self, value: impl Plain<u64>) -> String {
        let value = value.plain();
        if value < SHORT_FROM {
            return self.number(value);
        }
        let units: &[(u64, &str)] = match self {
            Self::ZhHans => &[(100_000_000, " 亿"), (10_000, " 万")],
            Self::ZhHant => &[(100_000_000, " 億"), (10_000, " 萬")],
            Self::En => &[(1_000_000_000, "B"), (1_000_000, "M"), (1_000, "K")],
        };
        let (unit, word) = units.iter().find(|(unit, _)| value >= *unit).copied().unwrap_or((1, ""));
        // Two digits tell enough in a list.
        let tenths = (u128::from(value) * 10 + u128::from(unit) / 2) / u128::from(unit);
        match (tenths / 10, tenths % 10) {
            (whole @ 0..10, tenth @ 1..) => format!("{whole}.{tenth}{word}"),
            (whole @ 0..10, 0) => format!("{whole}{word}"),
            _ => format!("{}{word}", (value + unit / 2) / unit),
        }
    }

    /// `4.98 GB`, in powers of ten, the same in every language.
    pub fn bytes(self, value: impl Plain<u64>) -> String {
        const UNITS: [&str; 6] = ["KB", "MB", "GB", "TB", "PB", "EB"];
        let value = value.plain();
        if value < 1000 {
            return format!("{value} B");
        }
        let mut unit = 1000u64;
        for word in UNITS {
            // Rounding must not print 1000 KB.
            if value < unit.saturating_mul(1000) - unit / 2 || word == "EB" {
                return format!("{} {word}", scaled(value, unit));
            }
            unit = unit.saturating_mul(1000);
        }
        format!("{value} B")
    }

    /// The date of tables, `2026-03-05`.
    pub fn day(self, at: impl Plain<Timestamp>) -> String {
        at.plain().to_string().get(..10).unwrap_or_default().to_owned()
    }

    /// The date of prose: `2026 年 3 月 5 日`, `5 March 2026`.
    pub fn date(self, at: impl Plain<Timestamp>) -> String {
        const MONTHS: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        let day = self.day(at);
        let mut parts = day.splitn(3, '-').map(|p| p.trim_start_matches('0'));
        let (Some(y), Some(m), Some(d)) = (parts.next(), parts.next(), parts.next()) else { return day };
        match self {
            Self::ZhHans | Self::ZhHant => format!("{y} 年 {m} 月 {d} 日"),
            Self::En => {
                let month = m.parse::<usize>().ok().and_then(|m| MONTHS.get(m.wrapping_sub(1))).copied().unwrap_or(m);
                format!("{d} {month} {y}")
            }
        }
    }

    /// Date and time in full, with the zone: `2026-03-05 14:05（UTC）`.
    pub fn moment(self, at: impl Plain<Timestamp>) -> String {
        let text = at.plain().to_string();
        let (day, time) = (text.get(..10).unwrap_or_default(), text.get(11..16).unwrap_or_default());
        match self {
            Self::ZhHans | Self::ZhHant => format!("{day} {time}（UTC）"),
            Self::En => format!("{day} {time} (UTC)"),
        }
    }
}

/// The least number that lists write in short form.
pub(crate) const SHORT_FROM: u64 = 10_000;

/// Digits in groups of three, the same in every language.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `value / unit` with at most three significant digits and no trailing zeros.
fn scaled(value: u64, unit: u64) -> String {
    let hundredths = (u128::from(value) * 100 + u128::from(unit) / 2) / u128::from(unit);
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    let text = match whole {
        0..10 => format!("{whole}.{rest:02}"),
        10..100 => {
            let tenths = (u128::from(value) * 10 + u128::from(unit) / 2) / u128::from(unit);
            format!("{}.{}", tenths / 10, tenths % 10)
        }
        _ => return ((u128::from(value) + u128::from(unit) / 2) / u128::from(unit)).to_string(),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_visitors_choice_wins_then_the_browser() {
        let pick = |chosen, accept| Locale::negotiate(chosen, accept);
        assert_eq!(pick(Some("zh-Hant"), Some("en")), Locale::ZhHant);
        assert_eq!(pick(Some("tlh"), Some("zh-CN")), Locale::ZhHans);
        assert_eq!(pick(None, Some("zh-TW,zh;q=0.9,en;q=0.8")), Locale::ZhHant);
        assert_eq!(pick(None, Some("zh-HK")), Locale::ZhHant);
        assert_eq!(pick(None, Some("zh-Hans-HK")), Locale::ZhHans);
        assert_eq!(pick(None, Some("fr-FR, en;q=0.3, zh;q=0.7")), Locale::ZhHans);
        assert_eq!(pick(None, Some("zh;q=0, en;q=0.1")), Locale::En);
        assert_eq!(pick(None, Some("fr")), Locale::En);
        assert_eq!(pick(None, Some(";;q=,,,zh;q=x")), Locale::En);
        assert_eq!(pick(None, None), Locale::En);
    }

    #[test]
    fn numbers_are_written_as_each_language_does() {
        assert_eq!(Locale::En.number(1_234_567), "1,234,567");
        assert_eq!(Locale::En.number(0), "0");
        assert_eq!(Locale::ZhHans.short(9_999), "9,999");
        assert_eq!(Locale::ZhHans.short(24_310), "2.4 万");
        assert_eq!(Locale::ZhHant.short(320_000_000), "3.2 億");
        assert_eq!(Locale::ZhHans.short(20_000), "2 万");
        assert_eq!(Locale::En.short(24_310), "24K");
        assert_eq!(Locale::En.short(320_000_000), "320M");
    }

    #[test]
    fn sizes_are_powers_of_ten() {
        for (value, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_200, "1.2 KB"),
            (999_900, "1 MB"),
            (4_982_131_536, "4.98 GB"),
            (21_100_000_000, "21.1 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(Locale::En.bytes(value), text);
        }
    }

    #[test]
    fn dates() {
        let at = Timestamp(1_772_719_500_000);
        assert_eq!(Locale::En.day(at), "2026-03-05");
        assert_eq!(Locale::En.date(at), "5 March 2026");
        assert_eq!(Locale::ZhHant.date(at), "2026 年 3 月 5 日");
        assert_eq!(Locale::ZhHans.moment(at), "2026-03-05 14:05（UTC）");
    }
}
