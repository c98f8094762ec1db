//! Pictures as Slack takes them, checked before they are sent.
//!
//! Slack asks for PNG, JPEG or GIF of 512 to 1024 px, and makes it square if it is not
//! (<https://docs.slack.dev/reference/methods/users.setPhoto>).

mod prepare;

use std::io::Cursor;

use bytes::Bytes;
use image::{AnimationDecoder as _, ImageFormat, ImageReader, Limits, codecs::gif::GifDecoder};
use uuid::Uuid;

use crate::{domain::UserId, storage::Key};

pub use prepare::{inspect, prepare};

/// How large a picture's file may be, in bytes.
pub const AT_MOST: u64 = 10 * 1024 * 1024;
/// The sides that Slack asks for, in pixels.
const SIDES: std::ops::RangeInclusive<u32> = 512..=1024;
/// What decoding one picture of that size can take at the most, in bytes.
const MEMORY: u64 = 64 * 1024 * 1024;

/// A picture whose format and size were checked.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The file's bytes.
    pub bytes: Bytes,
    /// `image/png`, `image/jpeg` or `image/gif`.
    pub content_type: &'static str,
}

impl Picture {
    /// Checks format, size and that the whole file can be decoded. Takes some milliseconds of CPU time.
    ///
    /// # Errors
    /// Why Slack would not take it.
    pub fn check(bytes: Bytes) -> Result<Self, String> {
        let format = format(&bytes)?;
        let content_type = format.to_mime_type();
        let damaged = |_| "it is damaged".to_owned();
        let (width, height) =
            ImageReader::with_format(Cursor::new(&bytes), format).into_dimensions().map_err(damaged)?;
        if !SIDES.contains(&width) || width != height {
            return Err(format!("it has {width} x {height} px; a square of 512 to 1024 px is wanted"));
        }
        if format == ImageFormat::Gif && frames(&bytes)? > 1 {
            return Err("it is an animation".into());
        }
        let mut reader = ImageReader::with_format(Cursor::new(&bytes), format);
        let mut limits = Limits::default();
        limits.max_alloc = Some(MEMORY);
        reader.limits(limits);
        reader.decode().map_err(damaged)?;
        Ok(Self { bytes, content_type })
    }
}

/// The format that a file's first bytes tell.
fn format(bytes: &[u8]) -> Result<ImageFormat, String> {
    let format = image::guess_format(bytes).ok();
    format
        .filter(|format| matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Gif))
        .ok_or_else(|| "it is neither PNG, JPEG nor GIF".to_owned())
}

fn frames(bytes: &Bytes) -> Result<usize, String> {
    let decoder = GifDecoder::new(Cursor::new(bytes)).map_err(|_| "it is damaged".to_owned())?;
    Ok(decoder.into_frames().take(2).count())
}

/// What a picture's link follows from: its bytes.
pub fn id(bytes: &[u8]) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, bytes)
}

/// Tells that a link does not end with the member's folder and a UUID.
#[derive(Debug, PartialEq, Eq)]
pub struct NotHis;

/// The object behind a picture's link. Whatever stands before them, only the link's last two parts count.
///
/// # Errors
/// [`NotHis`] unless they are the member's folder and `<uuid>.png`.
pub fn key_of(user: &UserId, link: &str) -> Result<Key, NotHis> {
    let mut parts = link.rsplit('/');
    let (file, folder) = (parts.next().ok_or(NotHis)?, parts.next().ok_or(NotHis)?);
    let name = file.strip_suffix(".png").ok_or(NotHis)?;
    let uuid = Uuid::try_parse(name).map_err(|_| NotHis)?;
    let is_his = folder == user.as_str() && uuid.hyphenated().to_string().eq_ignore_ascii_case(name);
    let is_link = link
        .split_once("://")
        .is_some_and(|(scheme, _)| matches!(scheme, "s3" | "file" | "https" | "memory"));
    if is_his && is_link { Ok(Key::picture(user, uuid)) } else { Err(NotHis) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn encoded(width: u32, height: u32, format: ImageFormat) -> Bytes {
        let mut bytes = Cursor::new(Vec::new());
        image::RgbImage::new(width, height).write_to(&mut bytes, format).unwrap();
        bytes.into_inner().into()
    }

    #[test]
    fn squares_of_512_to_1024_px_pass_in_their_true_format() {
        for (side, format, wanted) in [
            (512, ImageFormat::Png, "image/png"),
            (1024, ImageFormat::Jpeg, "image/jpeg"),
            (600, ImageFormat::Gif, "image/gif"),
        ] {
            assert_eq!(Picture::check(encoded(side, side, format)).unwrap().content_type, wanted);
        }
    }

    #[test]
    fn what_slack_would_refuse_is_refused() {
        let whole = encoded(512, 512, ImageFormat::Png);
        let cut = whole.slice(..whole.len() / 2);
        for bytes in [
            Bytes::from_static(b"<svg/>"),
            Bytes::new(),
            encoded(511, 511, ImageFormat::Png),
            encoded(1025, 1025, ImageFormat::Png),
            encoded(512, 600, ImageFormat::Png),
            cut,
        ] {
            assert!(Picture::check(bytes).is_err());
        }
    }

    #[test]
    fn a_link_leads_into_the_members_own_folder_or_nowhere() {
        let user: UserId = "U1".parse().unwrap();
        let uuid = "8c6976e5-b541-5d3c-9e3c-0d1b2f3a4b5c";
        for head in [
            "s3://bucket",
            "file:///srv/store",
            "https://bucket.s3.eu-west-1.amazonaws.com",
            "https://s3.eu-west-1.amazonaws.com/bucket",
        ] {
            let link = format!("{head}/U1/{uuid}.png");
            assert_eq!(key_of(&user, &link).unwrap().as_str(), format!("U1/{uuid}.png"), "{link}");
        }
        for link in [
            format!("file:///srv/U2/{uuid}.png"),
            format!("file:///srv/U1/{uuid}.jpg"),
            format!("file:///srv/U1/../U2/{uuid}.png"),
            "file:///srv/U1/..%2f..%2fetc.png".into(),
            "file:///srv/U1/passwd.png".into(),
            format!("file:///srv/U1/{uuid}.png?x"),
            format!("U1/{uuid}.png"),
            format!("gopher://x/U1/{uuid}.png"),
            String::new(),
        ] {
            assert_eq!(key_of(&user, &link), Err(NotHis), "{link}");
        }
    }
}
