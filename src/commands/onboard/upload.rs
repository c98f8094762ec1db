//! Brings the pictures that the store does not have yet there.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};

use crate::{
    domain::UserId,
    presets::{Problem, below},
    storage::Key,
};

use super::{
    difference::Member,
    picture_file::PictureFile,
    presets_file::WantedPicture,
    screen::Screen,
    service::{CallError, Service},
};

/// Uploads under way at once: one is on its way while the service works at another.
const AT_ONCE: usize = 4;

/// Links of pictures by their place in the store.
pub type Links = BTreeMap<Key, String>;

/// A picture that is missing.
#[derive(Debug, PartialEq)]
pub struct Missing<'a> {
    /// Whose.
    pub user: &'a UserId,
    /// The file.
    pub picture: &'a PictureFile,
    /// Where the presets file names it, first.
    pub pointer: String,
    place: Key,
}

/// Why pictures are missing still.
#[derive(Debug)]
pub enum UploadError {
    /// The service does not want these.
    Refused(Vec<Problem>),
    /// A call failed, whatever the picture.
    Failed(CallError),
}

/// Every picture that is missing, once for each member who wants it.
pub fn missing<'a>(members: &[Member<'a>]) -> Vec<Missing<'a>> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for member in members {
        for (key, wish) in member.wishes {
            let Some(WantedPicture::File(picture)) = &wish.picture else { continue };
            let place = Key::picture(member.user, picture.id);
            if !member.known.contains_key(&place) && seen.insert(place.clone()) {
                let pointer = below(&below(&below("", member.user.as_str()), key), "picture");
                all.push(Missing { user: member.user, picture, pointer, place });
            }
        }
    }
    all
}

/// Uploads them; answers their links.
///
/// # Errors
/// All pictures that the service refuses, or the first failure of another kind.
pub async fn upload(
    missing: &[Missing<'_>],
    service: &Service<'_>,
    screen: &Screen,
) -> Result<Links, UploadError> {
    let send = |missing| async move { (missing, send(missing, service).await) };
    let mut uploads = stream::iter(missing).map(send).buffer_unordered(AT_ONCE);
    let (mut links, mut refused) = (Links::new(), Vec::new());
    while let Some((Missing { pointer, place, picture, user }, sent)) = uploads.next().await {
        match sent {
            Ok(link) => {
                links.insert(place.clone(), link);
                screen.uploaded(&format!("{} ({user})", picture.written));
            }
            Err(Sent::Unreadable(message)) => refused.push(Problem { path: pointer.clone(), message }),
            Err(Sent::Failed(CallError::Refused { status: 413 | 422, message, problems })) => {
                let why = problems.first().map_or(&message, |problem| &problem.message);
                let message = format!("{}: {why}", picture.written);
                refused.push(Problem { path: pointer.clone(), message });
            }
            Err(Sent::Failed(error)) => return Err(UploadError::Failed(error)),
        }
    }
    if refused.is_empty() { Ok(links) } else { Err(UploadError::Refused(refused)) }
}

enum Sent {
    Unreadable(String),
    Failed(CallError),
}

async fn send(missing: &Missing<'_>, service: &Service<'_>) -> Result<String, Sent> {
    let bytes = missing.picture.bytes().map_err(Sent::Unreadable)?;
    service.upload(missing.user, &bytes).await.map_err(Sent::Failed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::commands::onboard::difference::{
        Difference,
        tests::{file, onboarded},
    };

    #[test]
    fn a_picture_is_missing_once_for_each_member_who_wants_it_and_has_it_nowhere() {
        let (_folder, file) = file(&json!({
            "U1": { ":a:": { "picture": "new.png" }, ":b:": { "picture": "./new.png" } },
            "U2": { ":a/c:": { "picture": "new.png" } },
            "U3": { ":a:": { "picture": "new.png" }, ":b:": { "picture": "new.png" } },
        }));
        let his = format!("s3://b/U3/{}.png", crate::pictures::id(&crate::demo::pictures::square(1)));
        let onboarded = onboarded(json!({ "U3": { ":a:": { "picture": his } } }));

        let difference = Difference::between(&onboarded, &file, false);
        let missing = missing(&difference.members);

        let places: Vec<_> = missing.iter().map(|missing| missing.pointer.as_str()).collect();
        assert_eq!(places, ["/U1/:a:/picture", "/U2/:a~1c:/picture"]);
    }
}
