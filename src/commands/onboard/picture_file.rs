//! A picture on this machine, looked at before anything is sent.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use uuid::Uuid;

use crate::pictures;

/// A picture that the service will probably take: only it decodes the whole of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureFile {
    /// As the presets file has it.
    pub written: String,
    /// What its link follows from.
    pub id: Uuid,
    path: PathBuf,
}

impl PictureFile {
    /// Looks at a file, whose path is relative to a folder.
    ///
    /// # Errors
    /// Why the service would not take it.
    pub fn check(folder: &Path, written: &str) -> Result<Self, String> {
        let path = folder.join(written);
        let bytes = read(&path).map_err(|problem| format!("{written}: {problem}"))?;
        pictures::inspect(&bytes).map_err(|problem| format!("{written}: {problem}"))?;
        Ok(Self { written: written.to_owned(), id: pictures::id(&bytes), path })
    }

    /// Its bytes as they are now.
    ///
    /// # Errors
    /// When it can no longer be read.
    pub fn bytes(&self) -> Result<Bytes, String> {
        read(&self.path).map_err(|problem| format!("{}: {problem}", self.written))
    }
}

fn read(path: &Path) -> Result<Bytes, String> {
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "it is not there; a path is relative to the presets file".to_owned(),
        _ => format!("it cannot be read: {error}"),
    };
    let about = fs::metadata(path).map_err(cannot)?;
    if !about.is_file() {
        return Err("it is not a file".into());
    }
    if about.len() > pictures::AT_MOST {
        let (size, most) = (about.len() >> 20, pictures::AT_MOST >> 20);
        return Err(format!("it has {size} MiB; {most} MiB are allowed"));
    }
    fs::read(path).map(Bytes::from).map_err(cannot)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::demo;

    fn checked(name: &str, bytes: &[u8]) -> Result<PictureFile, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), bytes).unwrap();
        PictureFile::check(folder.path(), name)
    }

    #[test]
    fn the_same_bytes_have_the_same_id_whatever_the_files_name() {
        let (one, other) = (demo::pictures::square(1), demo::pictures::square(2));

        let id = checked("a.png", &one).unwrap().id;

        assert_eq!(checked("b.jpg", &one).unwrap().id, id);
        assert_ne!(checked("a.png", &other).unwrap().id, id);
    }

    #[test]
    fn a_path_is_relative_to_the_folder_unless_it_is_absolute() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("pics")).unwrap();
        let path = folder.path().join("pics/ann.png");
        fs::write(&path, demo::pictures::square(1)).unwrap();

        let relative = PictureFile::check(folder.path(), "pics/ann.png").unwrap();
        let absolute = PictureFile::check(Path::new("/elsewhere"), path.to_str().unwrap()).unwrap();

        assert_eq!(relative.bytes().unwrap(), demo::pictures::square(1));
        assert_eq!(relative.id, absolute.id);
    }

    #[test]
    fn what_the_service_would_refuse_is_refused_with_the_files_name() {
        let folder = tempfile::tempdir().unwrap();
        let whole = demo::pictures::square(1);
        let files: [(&str, &[u8], &str); 4] = [
            ("text.png", b"hello", "neither PNG, JPEG nor GIF"),
            ("empty.png", b"", "neither PNG, JPEG nor GIF"),
            ("cut.png", &whole[..20], "damaged"),
            ("webp.png", b"RIFF\x10\0\0\0WEBPVP8 ", "neither PNG, JPEG nor GIF"),
        ];
        for (name, bytes, _) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        File::create(folder.path().join("large.png")).unwrap().set_len(pictures::AT_MOST + 1).unwrap();

        let wanted = files.map(|(name, _, problem)| (name, problem));
        for (name, problem) in wanted.into_iter().chain([
            ("large.png", "10 MiB"),
            (".", "not a file"),
            ("none.png", "not there"),
        ]) {
            let told = PictureFile::check(folder.path(), name).unwrap_err();
            assert!(told.starts_with(&format!("{name}: it ")) && told.contains(problem), "{told}");
        }
    }

    #[test]
    fn a_picture_with_too_many_pixels_is_refused_by_its_header() {
        let mut bomb = demo::pictures::square(1).to_vec();
        // In a PNG's first chunk stand width and height, and behind it its checksum.
        bomb[16..24].copy_from_slice(&[0, 0, 0x40, 0, 0, 0, 0x40, 0]);
        let mut checksum = flate2::Crc::new();
        checksum.update(&bomb[12..29]);
        bomb[29..33].copy_from_slice(&checksum.sum().to_be_bytes());

        let told = checked("bomb.png", &bomb).unwrap_err();

        assert!(told.contains("16384 x 16384"), "{told}");
    }
}
