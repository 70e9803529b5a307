//! The words of the pages: one Fluent catalogue for each language, read once.

use std::fmt::Display;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use haina_types::Timestamp;
use unic_langid::LanguageIdentifier;

use crate::locale::{self, Locale, Plain};

/// The text of a language's catalogue.
pub(crate) fn catalogue(locale: Locale) -> &'static str {
    match locale {
        Locale::ZhHans => include_str!("../messages/zh-Hans.ftl"),
        Locale::ZhHant => include_str!("../messages/zh-Hant.ftl"),
        Locale::En => include_str!("../messages/en.ftl"),
    }
}

static BUNDLES: LazyLock<[FluentBundle<FluentResource>; 3]> = LazyLock::new(|| Locale::ALL.map(load));

fn load(locale: Locale) -> FluentBundle<FluentResource> {
    let id: LanguageIdentifier = locale.tag().parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![id]);
    // The three languages run left to right, and text of other people stands in elements with dir=auto; isolating
    // marks would only travel along when someone copies a name.
    bundle.set_use_isolating(false);
    // Numbers stand in sentences as people write them; the plural is still chosen by their value.
    bundle.set_formatter(Some(|value, _| match value {
        FluentValue::Number(number) => Some(locale::grouped(number.value as u64)),
        _ => None,
    }));
    // Tests hold that every catalogue parses and no key is defined twice; a page with one word missing is better
    // than none.
    let resource = match FluentResource::try_new(catalogue(locale).to_owned()) {
        Ok(resource) => resource,
        Err((resource, errors)) => {
            tracing::error!(locale = locale.tag(), ?errors, "message catalogue has errors");
            resource
        }
    };
    if let Err(errors) = bundle.add_resource(resource) {
        tracing::error!(locale = locale.tag(), ?errors, "message catalogue defines a key twice");
    }
    bundle
}

/// What a missing message is shown as; no catalogue has these brackets.
const MISSING: (char, char) = ('⟦', '⟧');

/// A language and the present moment: everything that templates need to write words, numbers and times.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// The language.
    pub locale: Locale,
    /// The moment that "3 days ago" is counted from.
    pub now: Timestamp,
}

impl Words {
    fn find(&self, key: &str, args: Option<&FluentArgs<'_>>) -> Option<String> {
        let bundle = &BUNDLES[self.locale as usize];
        let pattern = bundle.get_message(key)?.value()?;
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, args, &mut errors).into_owned();
        if !errors.is_empty() {
            tracing::error!(locale = self.locale.tag(), key, ?errors, "message cannot be written");
        }
        Some(text)
    }

    fn get(&self, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        self.find(key, args).unwrap_or_else(|| {
            tracing::error!(locale = self.locale.tag(), key, "message is missing");
            format!("{}{key}{}", MISSING.0, MISSING.1)
        })
    }

    /// The `lang` of the page.
    pub fn tag(&self) -> &'static str {
        self.locale.tag()
    }

    /// A message.
    pub fn t(&self, key: impl AsRef<str>) -> String {
        self.get(key.as_ref(), None)
    }

    /// A message, if there is one: for words that come from outside, such as tasks.
    pub fn maybe(&self, key: &str) -> Option<String> {
        self.find(key, None)
    }

    /// A message with one argument.
    pub fn with(&self, key: impl AsRef<str>, name: &str, value: impl Display) -> String {
        let mut args = FluentArgs::new();
        args.set(name, value.to_string());
        self.get(key.as_ref(), Some(&args))
    }

    /// A message with two arguments.
    pub fn with2(&self, key: &str, a: &str, value_a: impl Display, b: &str, value_b: impl Display) -> String {
        let mut args = FluentArgs::new();
        args.set(a, value_a.to_string());
        args.set(b, value_b.to_string());
        self.get(key, Some(&args))
    }

    /// A message about a number: `$n` chooses the plural and is written as people write it.
    pub fn n(&self, key: &str, count: impl Plain<u64>) -> String {
        let mut args = FluentArgs::new();
        args.set("n", FluentValue::from(count.plain() as f64));
        self.get(key, Some(&args))
    }

    /// As [`Self::n`], in the short form of lists.
    pub fn n_short(&self, key: &str, count: impl Plain<u64>) -> String {
        let count = count.plain();
        if count < locale::SHORT_FROM {
            return self.n(key, count);
        }
        let text = self.with(key, "n", self.locale.short(count));
        // Between Han and digits stands a space, between two Han characters none: "2.4 万次下载", "980 次下载".
        ["万", "亿", "萬", "億"].iter().fold(text, |text, unit| text.replace(&format!(" {unit} "), &format!(" {unit}")))
    }

    /// `4.98 GB`.
    pub fn bytes(&self, value: impl Plain<u64>) -> String {
        self.locale.bytes(value)
    }

    /// Date and time in full.
    pub fn moment(&self, at: impl Plain<Timestamp>) -> String {
        self.locale.moment(at)
    }

    /// How long ago, up to 30 days; then the date.
    pub fn ago(&self, at: impl Plain<Timestamp>) -> String {
        let at = at.plain();
        // A clock that runs ahead of ours is not news from the future.
        let seconds = self.now.seconds().saturating_sub(at.seconds()).max(0).unsigned_abs();
        match seconds {
            0..60 => self.t("ago-now"),
            60..3600 => self.n("ago-minutes", seconds / 60),
            3600..86_400 => self.n("ago-hours", seconds / 3600),
            86_400..172_800 => self.t("ago-yesterday"),
            _ if seconds < 31 * 86_400 => self.n("ago-days", seconds / 86_400),
            _ => self.locale.date(at),
        }
    }

    /// A natural language by its code (`zh`), in words where we have them.
    pub fn language(&self, code: &str) -> String {
        self.maybe(&format!("language-{}", code.to_ascii_lowercase())).unwrap_or_else(|| code.to_owned())
    }

    /// A tag of a repository: a task, a language or itself.
    pub fn tag_word(&self, tag: &str) -> String {
        let word = self.maybe(&format!("task-{tag}")).or_else(|| self.maybe(&format!("language-{tag}")));
        word.unwrap_or_else(|| tag.to_owned())
    }

    /// A task by its name in metadata (`text-generation`), in words where we have them.
    pub fn task(&self, name: &str) -> String {
        self.maybe(&format!("task-{name}")).unwrap_or_else(|| name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(locale: Locale) -> Words {
        Words { locale, now: Timestamp(1_772_719_500_000) }
    }

    #[test]
    fn plural_and_relative_time() {
        let ago = |locale, seconds: i64| {
            let w = words(locale);
            w.ago(w.now.plus_seconds(-seconds))
        };
        assert_eq!(ago(Locale::En, 5), "just now");
        assert_eq!(ago(Locale::En, 60), "1 minute ago");
        assert_eq!(ago(Locale::En, 7200), "2 hours ago");
        assert_eq!(ago(Locale::ZhHans, 3 * 86_400), "3 天前");
        assert_eq!(ago(Locale::ZhHant, 90), "1 分鐘前");
        assert_eq!(ago(Locale::ZhHant, 86_400), "昨天");
        assert_eq!(ago(Locale::En, -50), "just now");
        assert_eq!(ago(Locale::En, 40 * 86_400), "24 January 2026");
    }

    #[test]
    fn large_counts_stand_close_to_their_measure_word() {
        assert_eq!(words(Locale::ZhHans).n_short("downloads", 24_310), "2.4 万次下载");
        assert_eq!(words(Locale::ZhHans).n_short("downloads", 980), "980 次下载");
        assert_eq!(words(Locale::En).n_short("downloads", 24_310), "24K downloads");
        assert_eq!(words(Locale::En).n_short("downloads", 1), "1 download");
    }

    #[test]
    fn unknown_tasks_keep_their_name() {
        assert_eq!(words(Locale::ZhHans).task("text-generation"), "文本生成");
        assert_eq!(words(Locale::ZhHans).task("mind-reading"), "mind-reading");
    }
}
