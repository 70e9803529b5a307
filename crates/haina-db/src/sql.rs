//! One statement text for both databases, its parameters and its rows.

use std::borrow::Cow;
use std::error::Error as StdError;

use bytes::BytesMut;
use haina_types::{Oid, OrgRole, RefName, RepoKind, Sha256, Timestamp, Visibility, XetHash};
use postgres_types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use rusqlite::types::{ToSqlOutput, ValueRef};

use crate::{Error, Result};

/// A named statement. Parameters are `$1`, `$2`, … in both texts.
#[derive(Debug, Clone)]
pub(crate) struct Sql {
    pub(crate) name: Cow<'static, str>,
    /// With `?1`, `?2`, …: SQLite would number `$2` by first appearance.
    pub(crate) sqlite: Cow<'static, str>,
    pub(crate) postgres: Cow<'static, str>,
    /// Scans, sorts or deletes much: on SQLite it runs off the asynchronous threads.
    pub(crate) long: bool,
    /// It changes something, so a session for reading refuses it.
    pub(crate) writes: bool,
}

impl Sql {
    /// A statement put together from constant pieces, where a constant for every combination would be too many.
    pub(crate) fn built(name: &'static str, text: String, long: bool) -> Self {
        let mut sqlite = text.clone().into_bytes();
        for i in 1..sqlite.len() {
            if sqlite[i - 1] == b'$' && sqlite[i].is_ascii_digit() {
                sqlite[i - 1] = b'?';
            }
        }
        let sqlite = String::from_utf8(sqlite).expect("because only ASCII bytes were replaced, by ASCII bytes");
        let writes = changes(&text);
        Self { name: Cow::Borrowed(name), sqlite: Cow::Owned(sqlite), postgres: Cow::Owned(text), long, writes }
    }
}

/// `$1` to `?1`, at compile time. The length stays.
pub(crate) const fn number<const N: usize>(text: &str) -> [u8; N] {
    let from = text.as_bytes();
    let mut to = [0; N];
    let mut i = 0;
    while i < N {
        to[i] = if from[i] == b'$' && i + 1 < N && from[i + 1].is_ascii_digit() { b'?' } else { from[i] };
        i += 1;
    }
    to
}

/// Whether a statement changes something: it does not begin with `select`.
pub(crate) const fn changes(text: &str) -> bool {
    text.as_bytes()[0] != b's'
}

/// Only for [`statements!`]: bytes that were text stay text.
pub(crate) const fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("not UTF-8"),
    }
}

/// Declares a module's statements and the list `STATEMENTS` of them, which a test prepares on both databases.
///
/// `point("…")` is quick; `long("…")` may scan; `pair("sqlite", "postgres")` and `long_pair` differ by database.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $kind:ident($($text:expr),+ $(,)?);)*) => {
        $($(#[$doc])* pub(crate) static $name: $crate::sql::Sql = statements!(@$kind $name $($text),+);)*
        /// Every statement of this module.
        pub(crate) static STATEMENTS: &[&$crate::sql::Sql] = &[$(&$name),*];
    };
    (@point $name:ident $text:expr) => { statements!(@make $name false $text, $text) };
    (@long $name:ident $text:expr) => { statements!(@make $name true $text, $text) };
    (@pair $name:ident $sqlite:expr, $postgres:expr) => { statements!(@make $name false $sqlite, $postgres) };
    (@long_pair $name:ident $sqlite:expr, $postgres:expr) => { statements!(@make $name true $sqlite, $postgres) };
    (@make $name:ident $long:literal $sqlite:expr, $postgres:expr) => {{
        const TEXT: &str = $sqlite;
        static BYTES: [u8; TEXT.len()] = $crate::sql::number(TEXT);
        $crate::sql::Sql {
            name: std::borrow::Cow::Borrowed(concat!(module_path!(), "::", stringify!($name))),
            sqlite: std::borrow::Cow::Borrowed($crate::sql::text(&BYTES)),
            postgres: std::borrow::Cow::Borrowed($postgres),
            long: $long,
            writes: $crate::sql::changes(TEXT),
        }
    }};
}
pub(crate) use statements;

/// One parameter.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Null,
    Int(i64),
    Real(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// PostgreSQL: `bigint[]` for `= any($n)`. SQLite: JSON for `in (select value from json_each($n))`.
    Ints(&'a [i64]),
    /// The same of `text[]`.
    Texts(&'a [&'a str]),
    /// The same of `bytea[]`; SQLite: `in (select unhex(value) from json_each($n))`.
    Blobs(&'a [&'a [u8]]),
}

macro_rules! from {
    ($($type:ty, |$v:ident| $make:expr;)*) => {
        $(impl<'a> From<$type> for Value<'a> {
            fn from($v: $type) -> Self {
                $make
            }
        })*
    };
}
from! {
    i64, |v| Self::Int(v);
    usize, |v| Self::Int(i64::try_from(v).unwrap_or(i64::MAX));
    u64, |v| Self::Int(i64::try_from(v).unwrap_or(i64::MAX));
    f64, |v| Self::Real(v);
    bool, |v| Self::Int(i64::from(v));
    Timestamp, |v| Self::Int(v.0);
    &'a str, |v| Self::Text(v);
    &'a String, |v| Self::Text(v);
    &'a [u8], |v| Self::Bytes(v);
    &'a Vec<u8>, |v| Self::Bytes(v);
    &'a Oid, |v| Self::Bytes(&v.0);
    &'a Sha256, |v| Self::Bytes(&v.0);
    &'a XetHash, |v| Self::Bytes(&v.0);
    &'a RefName, |v| Self::Text(v.as_str());
    RepoKind, |v| Self::Text(v.as_str());
    Visibility, |v| Self::Text(v.as_str());
    OrgRole, |v| Self::Text(v.as_str());
}
impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(v: &'a [u8; N]) -> Self {
        Self::Bytes(v)
    }
}
impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(v: Option<T>) -> Self {
        v.map_or(Self::Null, Into::into)
    }
}

/// `&values![id, name]`: anything that has a `From` into [`Value`].
macro_rules! values {
    ($($v:expr),* $(,)?) => { [$($crate::sql::Value::from($v)),*] };
}
pub(crate) use values;

impl Value<'_> {
    /// For a statement that runs on another thread.
    pub(crate) fn to_owned_sqlite(self) -> rusqlite::types::Value {
        use rusqlite::types::Value as V;
        match self {
            Self::Null => V::Null,
            Self::Int(v) => V::Integer(v),
            Self::Real(v) => V::Real(v),
            Self::Text(v) => V::Text(v.to_owned()),
            Self::Bytes(v) => V::Blob(v.to_vec()),
            Self::Ints(_) | Self::Texts(_) | Self::Blobs(_) => V::Text(self.json()),
        }
    }

    fn json(self) -> String {
        match self {
            Self::Ints(v) => serde_json::to_string(v),
            Self::Texts(v) => serde_json::to_string(v),
            Self::Blobs(v) => {
                let hex = |b: &&[u8]| b.iter().map(|b| format!("{b:02x}")).collect::<String>();
                serde_json::to_string(&v.iter().map(hex).collect::<Vec<_>>())
            }
            _ => Ok("[]".to_owned()),
        }
        .unwrap_or_default()
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Int(v) => ToSqlOutput::Borrowed(ValueRef::Integer(*v)),
            Self::Real(v) => ToSqlOutput::Borrowed(ValueRef::Real(*v)),
            Self::Text(v) => ToSqlOutput::Borrowed(ValueRef::Text(v.as_bytes())),
            Self::Bytes(v) => ToSqlOutput::Borrowed(ValueRef::Blob(v)),
            Self::Ints(_) | Self::Texts(_) | Self::Blobs(_) => ToSqlOutput::from(self.json()),
        })
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(v) if *ty == Type::INT4 => i32::try_from(*v)?.to_sql(ty, out),
            Self::Int(v) if *ty == Type::INT8 => v.to_sql(ty, out),
            Self::Real(v) if *ty == Type::FLOAT8 => v.to_sql(ty, out),
            Self::Text(v) if *ty == Type::TEXT => v.to_sql(ty, out),
            Self::Bytes(v) if *ty == Type::BYTEA => v.to_sql(ty, out),
            Self::Ints(v) if *ty == Type::INT8_ARRAY => v.to_sql(ty, out),
            Self::Texts(v) if *ty == Type::TEXT_ARRAY => v.to_sql(ty, out),
            Self::Blobs(v) if *ty == Type::BYTEA_ARRAY => v.to_sql(ty, out),
            _ => Err(format!("a parameter of type {ty} was given another kind of value").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// One column of a SQLite row.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// One row. Columns are asked for by number, in the order of the `select`.
#[derive(Debug)]
pub(crate) enum Row {
    Sqlite(Vec<Cell>),
    Postgres(tokio_postgres::Row),
}

/// Any of PostgreSQL's whole numbers.
struct Whole(i64);

impl<'a> FromSql<'a> for Whole {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        if *ty == Type::INT4 {
            i32::from_sql(ty, raw).map(|v| Self(v.into()))
        } else {
            i64::from_sql(ty, raw).map(Self)
        }
    }
    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::INT4)
    }
}

fn shape(column: usize, wanted: &str) -> Error {
    Error::corrupt(format_args!("column {column} is not {wanted}"))
}

#[allow(dead_code)] // a full set of getters
impl Row {
    pub(crate) fn from_sqlite(row: &rusqlite::Row<'_>, columns: usize) -> rusqlite::Result<Self> {
        let mut cells = Vec::with_capacity(columns);
        for i in 0..columns {
            cells.push(match row.get_ref(i)? {
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(v) => Cell::Int(v),
                ValueRef::Real(v) => Cell::Real(v),
                ValueRef::Text(v) => Cell::Text(match std::str::from_utf8(v) {
                    Ok(v) => v.to_owned(),
                    Err(e) => return Err(rusqlite::Error::Utf8Error(i, e)),
                }),
                ValueRef::Blob(v) => Cell::Bytes(v.to_vec()),
            });
        }
        Ok(Self::Sqlite(cells))
    }

    pub(crate) fn opt_int(&self, column: usize) -> Result<Option<i64>> {
        match self {
            Self::Sqlite(cells) => match cells.get(column) {
                Some(Cell::Int(v)) => Ok(Some(*v)),
                Some(Cell::Null) => Ok(None),
                _ => Err(shape(column, "a whole number")),
            },
            Self::Postgres(row) => match row.try_get::<_, Option<Whole>>(column) {
                Ok(v) => Ok(v.map(|w| w.0)),
                Err(_) => Err(shape(column, "a whole number")),
            },
        }
    }

    pub(crate) fn opt_real(&self, column: usize) -> Result<Option<f64>> {
        match self {
            Self::Sqlite(cells) => match cells.get(column) {
                Some(Cell::Real(v)) => Ok(Some(*v)),
                Some(Cell::Int(v)) => Ok(Some(*v as f64)),
                Some(Cell::Null) => Ok(None),
                _ => Err(shape(column, "a number")),
            },
            Self::Postgres(row) => row.try_get(column).map_err(|_| shape(column, "a number")),
        }
    }

    pub(crate) fn opt_text(&self, column: usize) -> Result<Option<&str>> {
        match self {
            Self::Sqlite(cells) => match cells.get(column) {
                Some(Cell::Text(v)) => Ok(Some(v)),
                Some(Cell::Null) => Ok(None),
                _ => Err(shape(column, "text")),
            },
            Self::Postgres(row) => row.try_get(column).map_err(|_| shape(column, "text")),
        }
    }

    pub(crate) fn opt_bytes(&self, column: usize) -> Result<Option<&[u8]>> {
        match self {
            Self::Sqlite(cells) => match cells.get(column) {
                Some(Cell::Bytes(v)) => Ok(Some(v)),
                Some(Cell::Null) => Ok(None),
                _ => Err(shape(column, "bytes")),
            },
            Self::Postgres(row) => row.try_get(column).map_err(|_| shape(column, "bytes")),
        }
    }

    pub(crate) fn int(&self, column: usize) -> Result<i64> {
        self.opt_int(column)?.ok_or_else(|| shape(column, "a whole number, but NULL"))
    }

    pub(crate) fn real(&self, column: usize) -> Result<f64> {
        self.opt_real(column)?.ok_or_else(|| shape(column, "a number, but NULL"))
    }

    pub(crate) fn text(&self, column: usize) -> Result<&str> {
        self.opt_text(column)?.ok_or_else(|| shape(column, "text, but NULL"))
    }

    pub(crate) fn bytes(&self, column: usize) -> Result<&[u8]> {
        self.opt_bytes(column)?.ok_or_else(|| shape(column, "bytes, but NULL"))
    }

    pub(crate) fn string(&self, column: usize) -> Result<String> {
        self.text(column).map(str::to_owned)
    }

    pub(crate) fn opt_string(&self, column: usize) -> Result<Option<String>> {
        Ok(self.opt_text(column)?.map(str::to_owned))
    }

    /// Large values without another copy on SQLite.
    pub(crate) fn take_bytes(&mut self, column: usize) -> Result<Vec<u8>> {
        match self {
            Self::Sqlite(cells) => match cells.get_mut(column) {
                Some(Cell::Bytes(v)) => Ok(std::mem::take(v)),
                _ => Err(shape(column, "bytes")),
            },
            Self::Postgres(_) => self.bytes(column).map(<[u8]>::to_vec),
        }
    }

    /// A count or a length.
    pub(crate) fn size(&self, column: usize) -> Result<u64> {
        u64::try_from(self.int(column)?).map_err(|_| shape(column, "a size"))
    }

    pub(crate) fn flag(&self, column: usize) -> Result<bool> {
        self.int(column).map(|v| v != 0)
    }

    pub(crate) fn time(&self, column: usize) -> Result<Timestamp> {
        self.int(column).map(Timestamp)
    }

    pub(crate) fn opt_time(&self, column: usize) -> Result<Option<Timestamp>> {
        Ok(self.opt_int(column)?.map(Timestamp))
    }

    pub(crate) fn oid(&self, column: usize) -> Result<Oid> {
        Oid::from_slice(self.bytes(column)?).ok_or_else(|| shape(column, "a git object id"))
    }

    pub(crate) fn opt_oid(&self, column: usize) -> Result<Option<Oid>> {
        self.opt_bytes(column)?.map(|b| Oid::from_slice(b).ok_or_else(|| shape(column, "a git object id"))).transpose()
    }

    pub(crate) fn sha256(&self, column: usize) -> Result<Sha256> {
        Sha256::from_slice(self.bytes(column)?).ok_or_else(|| shape(column, "a SHA-256"))
    }

    pub(crate) fn opt_sha256(&self, column: usize) -> Result<Option<Sha256>> {
        self.opt_bytes(column)?.map(|b| Sha256::from_slice(b).ok_or_else(|| shape(column, "a SHA-256"))).transpose()
    }

    pub(crate) fn xet_hash(&self, column: usize) -> Result<XetHash> {
        XetHash::from_slice(self.bytes(column)?).ok_or_else(|| shape(column, "a Xet hash"))
    }

    /// Text with a checked form: names, kinds, roles.
    pub(crate) fn parse<T: std::str::FromStr>(&self, column: usize) -> Result<T> {
        let text = self.text(column)?;
        text.parse().map_err(|_| Error::corrupt(format_args!("column {column} holds '{text}'")))
    }
}
