//! Makes a profile picture of whatever image was uploaded: square, upright, of a size that Slack takes, without metadata.
//!
//! Nothing is decoded before its size is known to be borne: a file of some kilobytes can claim to be a picture of
//! gigabytes.

use std::io::Cursor;

use bytes::Bytes;
use image::{
    DynamicImage, GenericImageView as _, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
    RgbaImage,
    imageops::{self, FilterType},
};

use super::SIDES;

/// So many pixels are decoded at the most.
const PIXELS_AT_MOST: u64 = 50_000_000;
/// What all of it may take, in bytes, and what is set aside of that for all but the decoder.
const MEMORY: u64 = 256 * 1024 * 1024;
const SET_ASIDE: u64 = 48 * 1024 * 1024;
/// A larger square is first made about so large by averaging, which takes no memory beside the result.
const AVERAGED: u32 = 2 * *SIDES.end();

/// Makes a profile picture of an upload. Takes up to some seconds of CPU time.
///
/// # Errors
/// Why it cannot be.
pub fn prepare(upload: &[u8]) -> Result<Bytes, String> {
    let (image, orientation) = decode(upload)?;
    let mut square = DynamicImage::ImageRgba8(centre(image));
    square.apply_orientation(orientation);
    let is_opaque = square.as_rgba8().is_some_and(|image| image.pixels().all(|pixel| pixel[3] == u8::MAX));
    if is_opaque {
        square = square.into_rgb8().into();
    }
    let mut file = Cursor::new(Vec::new());
    square.write_to(&mut file, ImageFormat::Png).map_err(|_| "it cannot be stored as PNG".to_owned())?;
    Ok(file.into_inner().into())
}

/// Looks at an upload's first bytes: whether [`prepare`] would try to decode it.
///
/// # Errors
/// Why it would not.
pub fn inspect(upload: &[u8]) -> Result<(), String> {
    decoder(upload).map(drop)
}

/// Decodes the first frame.
fn decode(upload: &[u8]) -> Result<(DynamicImage, image::metadata::Orientation), String> {
    let mut decoder = decoder(upload)?;
    let orientation = decoder.orientation().map_err(damaged)?;
    Ok((DynamicImage::from_decoder(decoder).map_err(damaged)?, orientation))
}

fn damaged(_: ImageError) -> String {
    "it is damaged".to_owned()
}

/// What decodes the first frame, if that takes no more than is allowed.
fn decoder(upload: &[u8]) -> Result<impl ImageDecoder, String> {
    let format = super::format(upload)?;
    let mut reader = ImageReader::with_format(Cursor::new(upload), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MEMORY - SET_ASIDE);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > PIXELS_AT_MOST || pixels == 0 {
        return Err(format!(
            "it has {width} x {height} px; {} million are allowed",
            PIXELS_AT_MOST / 1_000_000
        ));
    }
    let beside = match format {
        // All coefficients are kept until the last scan, two bytes each, up to four to a pixel.
        ImageFormat::Jpeg if is_progressive(upload) => pixels.saturating_mul(8),
        // The frame is decoded beside the screen that it is laid on.
        ImageFormat::Gif => pixels.saturating_mul(4),
        _ => 0,
    };
    if decoder.total_bytes().saturating_add(beside) > MEMORY - SET_ASIDE {
        return Err(format!("it has {width} x {height} px of a kind that takes too much memory to decode"));
    }
    Ok(decoder)
}

/// The square in the middle, in a size that Slack takes. The image is let go as soon as its square is made.
fn centre(image: DynamicImage) -> RgbaImage {
    let side = image.width().min(image.height());
    let (x, y) = ((image.width() - side) / 2, (image.height() - side) / 2);
    let view = image.view(x, y, side, side);
    let square =
        if side > AVERAGED { imageops::thumbnail(&*view, AVERAGED, AVERAGED) } else { view.to_image() };
    drop(image);
    let wanted = side.clamp(*SIDES.start(), *SIDES.end());
    if square.width() == wanted {
        return square;
    }
    imageops::resize(&square, wanted, wanted, FilterType::Lanczos3)
}

/// Whether a JPEG comes in several scans: its start-of-frame marker tells.
fn is_progressive(jpeg: &[u8]) -> bool {
    let mut rest = jpeg.get(2..).unwrap_or_default();
    while let [0xff, marker, high, low, ..] = rest {
        match marker {
            0xff => rest = &rest[1..],
            0xc2 | 0xc6 | 0xca | 0xce => return true,
            // Another frame's start, or the picture itself: what comes before it was looked at.
            0xc0 | 0xc1 | 0xc3 | 0xda => return false,
            _ => rest = rest.get(2 + usize::from(u16::from_be_bytes([*high, *low]))..).unwrap_or_default(),
        }
    }
    // Whatever it is, it is taken for what costs more.
    true
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use image::{Rgb, RgbImage, Rgba};

    use super::*;
    use crate::pictures::Picture;

    const RED: Rgb<u8> = Rgb([255, 0, 0]);
    const BLUE: Rgb<u8> = Rgb([0, 0, 255]);

    fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.into().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn prepared(upload: &[u8]) -> RgbImage {
        let png = prepare(upload).unwrap();
        assert_eq!(Picture::check(png.clone()).unwrap().content_type, "image/png");
        image::load_from_memory(&png).unwrap().into_rgb8()
    }

    #[test]
    fn any_format_and_size_becomes_a_png_that_slack_takes() {
        for (format, size, side) in [
            (ImageFormat::Png, (3, 5), 512),
            (ImageFormat::Jpeg, (640, 700), 640),
            (ImageFormat::Gif, (1500, 1100), 1024),
            (ImageFormat::Png, (2300, 2100), 1024),
        ] {
            let picture = prepared(&encoded(RgbImage::from_pixel(size.0, size.1, RED), format));

            assert_eq!(picture.dimensions(), (side, side), "{format:?} {size:?}");
            let middle = picture.get_pixel(side / 2, side / 2);
            assert!(middle[0] > 240 && middle[2] < 15, "{format:?} {size:?}: {middle:?}");
        }
    }

    #[test]
    fn the_centre_is_kept() {
        let stripes = RgbImage::from_fn(1200, 600, |x, _| if (300..900).contains(&x) { BLUE } else { RED });

        let picture = prepared(&encoded(stripes, ImageFormat::Png));

        assert!(picture.pixels().all(|pixel| *pixel == BLUE));
    }

    #[test]
    fn what_is_transparent_stays_so() {
        let clear = RgbaImage::from_pixel(600, 600, Rgba([9, 9, 9, 0]));

        let picture = image::load_from_memory(&prepare(&encoded(clear, ImageFormat::Png)).unwrap()).unwrap();

        assert_eq!(picture.get_pixel(300, 300)[3], 0);
    }

    /// An EXIF segment that says how the camera was held, as <https://www.cipa.jp/std/documents/e/DC-X008-Translation-2019-E.pdf> has it.
    fn held(jpeg: &[u8], orientation: u8) -> Vec<u8> {
        let tiff = [
            b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(),
            &[orientation, 0, 0, 0, 0, 0, 0],
        ]
        .concat();
        let length = u16::try_from(2 + 6 + tiff.len()).unwrap().to_be_bytes();
        [&jpeg[..2], &[0xff, 0xe1], &length, b"Exif\0\0", &tiff, &jpeg[2..]].concat()
    }

    #[test]
    fn it_is_turned_as_the_camera_was_held_and_nothing_of_the_camera_stays() {
        let top_is_red = RgbImage::from_fn(600, 600, |_, y| if y < 300 { RED } else { BLUE });
        let upload = held(&encoded(top_is_red, ImageFormat::Jpeg), 6);

        let png = prepare(&upload).unwrap();

        let picture = image::load_from_memory(&png).unwrap().into_rgb8();
        let (left, right) = (picture.get_pixel(100, 300), picture.get_pixel(500, 300));
        assert!(left[2] > 200 && right[0] > 200, "turned a quarter clockwise: {left:?} {right:?}");
        assert!(
            !png.windows(4).any(|chunk| matches!(chunk, b"eXIf" | b"tEXt" | b"iCCP" | b"zTXt" | b"iTXt"))
        );
    }

    #[test]
    fn of_an_animation_the_first_frame_is_taken() {
        let frame = |colour: Rgb<u8>| {
            image::Frame::new(DynamicImage::from(RgbImage::from_pixel(600, 600, colour)).into_rgba8())
        };
        let mut gif = Vec::new();
        image::codecs::gif::GifEncoder::new(&mut gif).encode_frames([frame(RED), frame(BLUE)]).unwrap();

        assert_eq!(prepared(&gif).get_pixel(9, 9), &RED);
    }

    #[test]
    fn what_is_no_picture_or_damaged_is_refused() {
        let whole = encoded(RgbImage::new(600, 600), ImageFormat::Png);
        for upload in
            [b"".as_slice(), b"<svg/>", b"BM but no bitmap", &whole[..whole.len() / 2], &whole[..20]]
        {
            assert!(prepare(upload).is_err());
        }
    }

    #[test]
    fn a_picture_too_large_to_be_borne_is_refused_before_it_is_decoded() {
        for size in [(65_000_u32, 65_000_u32), (50_001, 1000)] {
            let mut png = encoded(RgbImage::new(1, 1), ImageFormat::Png);
            png[16..20].copy_from_slice(&size.0.to_be_bytes());
            png[20..24].copy_from_slice(&size.1.to_be_bytes());
            let head = crc(&png[12..29]).to_be_bytes();
            png[29..33].copy_from_slice(&head);

            assert!(prepare(&png).unwrap_err().contains("million are allowed"), "{size:?}");
        }
    }

    /// The checksum of a PNG's chunk (<https://www.w3.org/TR/png-3/#5CRC-algorithm>).
    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8)
                .fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
        })
    }

    #[test]
    fn a_jpeg_in_several_scans_is_known_by_its_frame() {
        let plain = encoded(RgbImage::new(600, 600), ImageFormat::Jpeg);
        assert!(!is_progressive(&plain));
        let mut progressive = plain.clone();
        let frame = plain.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
        progressive[frame + 1] = 0xc2;

        assert!(is_progressive(&progressive));
    }
}
