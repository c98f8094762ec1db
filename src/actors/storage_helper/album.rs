//! Pictures that were read and checked, in bounded memory: one that is still the same in the store is neither fetched nor
//! decoded again.

use std::collections::VecDeque;

use crate::{pictures::Picture, storage::Key, storage::Version};

/// What the pictures may have together, in bytes: some dozens of usual ones.
const AT_MOST: usize = 8 * 1024 * 1024;

/// The pictures; what was wanted least lately goes first.
#[derive(Default)]
pub struct Album {
    pictures: VecDeque<(Key, Version, Picture)>,
}

impl Album {
    /// The picture as it was kept last.
    pub fn find(&self, key: &Key) -> Option<(Version, Picture)> {
        let (_, version, picture) = self.pictures.iter().find(|(kept, ..)| kept == key)?;
        Some((version.clone(), picture.clone()))
    }

    /// Keeps a picture in place of any older one of its name.
    pub fn keep(&mut self, key: Key, version: Version, picture: Picture) {
        self.remove(|kept| *kept == key);
        self.pictures.push_back((key, version, picture));
        while self.bytes() > AT_MOST {
            self.pictures.pop_front();
        }
    }

    /// Forgets the pictures that these names have.
    pub fn remove(&mut self, is_meant: impl Fn(&Key) -> bool) {
        self.pictures.retain(|(key, ..)| !is_meant(key));
    }

    fn bytes(&self) -> usize {
        self.pictures.iter().map(|(_, _, picture)| picture.bytes.len()).sum()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        Key::parse(&format!("U1/{n}.png")).unwrap()
    }

    fn keep(album: &mut Album, n: usize, bytes: usize) {
        let picture = Picture { bytes: vec![0; bytes].into(), content_type: "image/png" };
        album.keep(key(n), Version(n.to_string()), picture);
    }

    #[test]
    fn it_is_bounded_and_what_was_wanted_lately_stays() {
        let mut album = Album::default();
        for n in 0..4 {
            keep(&mut album, n, AT_MOST / 4);
        }
        keep(&mut album, 0, AT_MOST / 4);

        keep(&mut album, 4, AT_MOST / 4);

        let kept: Vec<bool> = (0..5).map(|n| album.find(&key(n)).is_some()).collect();
        assert_eq!((kept, album.bytes()), (vec![true, false, true, true, true], AT_MOST));
        keep(&mut album, 5, AT_MOST + 1);
        assert_eq!((album.pictures.len(), album.bytes()), (0, 0));
    }
}
