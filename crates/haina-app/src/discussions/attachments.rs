//! Pictures, sounds and films that comments show.

use std::ops::Range;

use bytes::Bytes;
use futures_util::StreamExt;
use haina_cas::objects::{Committed, ObjectKey, put};
use haina_db::discussions as db;
use haina_files::media::media_type;
use haina_types::{Code, Error, Result};
use serde_json::json;

use crate::content::ByteStream;
use crate::{App, Caller};

/// Largest attachment, in bytes; only films may be that large.
pub const ATTACHMENT_BYTES_MAX: usize = 50 << 20;
/// Largest picture or sound.
const STILL_BYTES_MAX: usize = 10 << 20;
/// Most attachments of one account in a day, and their bytes.
const DAILY_MAX: (u64, u64) = (200, 1 << 30);
const DAY_SECONDS: i64 = 86_400;
/// How long an upload may stay silent before it is given up.
const BODY_IDLE: std::time::Duration = std::time::Duration::from_secs(60);
/// Their folder among the objects.
const FOLDER: &str = "attachments";
/// An object that no row knows may belong to an upload under way until it is this old, in seconds.
const LOST_SECONDS: i64 = 2 * DAY_SECONDS;

/// An attachment to be shown.
#[derive(Debug, Clone)]
pub struct Attached {
    /// What it is.
    pub media_type: String,
    /// Its bytes.
    pub bytes: u64,
    object: ObjectKey,
}

/// The ending that people expect of a type.
fn ending(media_type: &str) -> &'static str {
    match media_type {
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "video/mp4" => "mp4",
        "video/quicktime" => "mov",
        "video/webm" => "webm",
        "audio/mpeg" => "mp3",
        _ => "wav",
    }
}

fn too_large() -> Error {
    Error::new(Code::TooLarge, "A picture or sound has at most 10 MiB, a film at most 50 MiB.")
}

impl App {
    /// Keeps an attachment; its address. What it is its bytes say, and the declared type must be of that family.
    pub async fn attach(&self, caller: &Caller, declared: &str, mut body: ByteStream) -> Result<String> {
        let user = caller.require_author()?;
        // Each is in memory as a whole for a moment.
        let _permit = self.discussions().attaching.acquire().await.map_err(Error::internal)?;
        let mut bytes = Vec::new();
        loop {
            match tokio::time::timeout(BODY_IDLE, body.next()).await {
                Ok(None) => break,
                Ok(Some(piece)) => bytes.extend_from_slice(&piece?),
                Err(_) => return Err(Error::invalid("The body stays silent. Please send it again.")),
            }
            if bytes.len() > ATTACHMENT_BYTES_MAX {
                return Err(too_large());
            }
        }
        let bytes = Bytes::from(bytes);
        let unknown = || {
            Error::invalid("This is none of the supported formats: PNG, JPEG, GIF, WebP, MP4, MOV, WebM, MP3 and WAV.")
        };
        let media_type = media_type(&bytes).ok_or_else(unknown)?;
        let family = |text: &str| text.split('/').next().unwrap_or_default().trim().to_ascii_lowercase();
        if family(declared) != family(media_type) {
            return Err(Error::invalid(format!("This is {media_type}, not what its Content-Type says.")));
        }
        let is_film = family(media_type) == "video";
        if bytes.len() > if is_film { ATTACHMENT_BYTES_MAX } else { STILL_BYTES_MAX } {
            return Err(too_large());
        }
        let (now, size) = (self.now(), bytes.len() as u64);
        {
            let mut s = self.db().read().await?;
            let (count, sum) = db::sum_attachments(&mut s, user.id, now.plus_seconds(-DAY_SECONDS)).await?;
            if count >= DAILY_MAX.0 || sum + size > DAILY_MAX.1 {
                return Err(Error::new(Code::RateLimited, "You uploaded very much today. Please go on tomorrow."));
            }
        }
        let name = format!("{}.{}", self.rng().alphanumeric(32), ending(media_type));
        let random: String = self.rng().array::<16>().iter().map(|b| format!("{b:02x}")).collect();
        let key: ObjectKey = format!("{FOLDER}/{}/{random}", &random[..2]).parse().map_err(Error::internal)?;
        if put(self.objects().as_ref(), &key, bytes).await? == Committed::Exists {
            return Err(Error::internal(format!("the random key {key} is taken")));
        }
        // If this fails the object is left to those that tidy up: the answer alone may have been lost.
        let mut tx = self.db().begin().await?;
        let row = db::Attachment { media_type: media_type.to_owned(), bytes: size, object: key.as_str().to_owned() };
        db::insert_attachment(&mut tx, &name, user.id, &row, now).await?;
        let data = json!({"type": media_type, "bytes": size});
        self.append(&mut tx, Some(user.id), "attachment.create", None, None, data).await?;
        tx.commit().await?;
        Ok(format!("{}/uploads/{name}", self.base_url()))
    }

    /// An attachment by the name in its address, which is all that one needs to see it.
    pub async fn attachment(&self, name: &str) -> Result<Attached> {
        let missing = || Error::new(Code::NotFound, "There is no such upload.");
        if name.len() > 64 {
            return Err(missing());
        }
        let mut s = self.db().read().await?;
        let found = db::find_attachment(&mut s, name).await?.ok_or_else(missing)?;
        let object = found.object.parse().map_err(Error::internal)?;
        Ok(Attached { media_type: found.media_type, bytes: found.bytes, object })
    }

    /// Its bytes, or some of them.
    pub async fn read_attachment(&self, attached: &Attached, range: Range<u64>) -> Result<Bytes> {
        Ok(self.objects().read(&attached.object, range, None).await?)
    }

    /// Deletes objects of attachments that no row knows.
    pub(crate) async fn tidy_attachments(&self) -> Result<()> {
        let old = self.now().seconds() - LOST_SECONDS;
        let mut after: Option<ObjectKey> = None;
        loop {
            let page = self.objects().list(FOLDER, after.as_ref(), 1000).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.key.clone());
            let aged: Vec<&str> = page.iter().filter(|o| o.modified < old).map(|o| o.key.as_str()).collect();
            let known = {
                let mut s = self.db().read().await?;
                db::list_known_objects(&mut s, &aged).await?
            };
            for lost in page.iter().filter(|o| o.modified < old && !known.iter().any(|k| k == o.key.as_str())) {
                self.objects().delete(&lost.key).await?;
            }
        }
    }
}
