//! Pictures for simulated members: a coloured square with a ring, so that one can be told from another.

use std::io::Cursor;

use bytes::Bytes;
use image::{ImageFormat, Rgb, RgbImage};

const SIDE: u32 = 512;

/// A PNG of 512 px in the colour that a hue from 0 to 359 stands for.
pub fn square(hue: u16) -> Bytes {
    let (ground, ring) = (colour(hue), colour(hue + 180));
    let centre = f64::from(SIDE) / 2.0;
    let picture = RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let distance = (f64::from(x) - centre).hypot(f64::from(y) - centre);
        if (120.0..170.0).contains(&distance) { ring } else { ground }
    });
    let mut file = Cursor::new(Vec::new());
    // Memory takes whatever is written to it.
    let _ = picture.write_to(&mut file, ImageFormat::Png);
    file.into_inner().into()
}

/// A bright colour of this hue.
fn colour(hue: u16) -> Rgb<u8> {
    let part = |offset: u16| {
        let place = (f64::from((hue + offset) % 360) / 60.0 - 3.0).abs() - 1.0;
        (90.0 + 150.0 * place.clamp(0.0, 1.0)) as u8
    };
    Rgb([part(0), part(240), part(120)])
}
