//! Any upload: it is refused, or becomes a picture that Slack takes; and any picture of the store is judged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use statusinator::pictures::{Picture, prepare};

fuzz_target!(|upload: &[u8]| {
    if let Ok(picture) = prepare(upload) {
        let taken = Picture::check(picture).unwrap();
        assert_eq!(taken.content_type, "image/png");
    }
    let _ = Picture::check(upload.to_vec().into());
});
