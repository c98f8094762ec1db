//! What a picture costs at the most: its own process, so that the kernel's account is of nothing else.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::{fs, io::Cursor, time::Instant};

use image::{DynamicImage, ImageBuffer, ImageFormat, RgbaImage};
use statusinator::pictures::prepare;

/// What is allowed, in MiB, and what the kernel's account may be off.
const ALLOWED: u64 = 256;
const TOLERANCE: u64 = 8;

/// A line of /proc/self/status, in MiB (<https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>).
fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() / 1024
}

/// Prepares an upload; answers whether it was taken, and what that took beside the upload, in MiB.
fn cost(upload: &[u8]) -> (bool, u64) {
    // The account of the highest resident size begins anew (proc_pid_clear_refs(5)).
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS");
    let is_taken = prepare(upload).is_ok();
    (is_taken, status("VmHWM").saturating_sub(before))
}

fn encoded(image: DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// An image of one value.
fn rgba(width: u32, height: u32) -> DynamicImage {
    let values = vec![7; width as usize * height as usize * 4];
    RgbaImage::from_raw(width, height, values).unwrap().into()
}

/// A grey-green JPEG in several scans, of which only the first is there: the decoder keeps all coefficients until the
/// last. One code stands for "as before", and has one bit (<https://www.w3.org/Graphics/JPEG/itu-t81.pdf>, annexes B
/// and G).
fn progressive(side: u16) -> Vec<u8> {
    let segment = |marker: u8, content: &[u8]| {
        let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker], &length[..], content].concat()
    };
    let [high, low] = side.to_be_bytes();
    let frame = [8, high, low, high, low, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0];
    let codes = [&[0_u8, 1][..], &[0; 15], &[0]].concat();
    let blocks = usize::from(side).div_ceil(8).pow(2);
    [
        vec![0xff, 0xd8],
        segment(0xdb, &[&[0_u8][..], &[1; 64]].concat()),
        segment(0xc2, &frame),
        segment(0xc4, &codes),
        segment(0xda, &[3, 1, 0, 2, 0, 3, 0, 0, 0, 0]),
        vec![0; 3 * blocks / 8 + 1],
        vec![0xff, 0xd9],
    ]
    .concat()
}

#[test]
fn no_picture_costs_more_than_256_mib() {
    let wide = ImageBuffer::from_raw(5_100, 5_100, vec![9; 5_100 * 5_100 * 4]).unwrap();
    let uploads = [
        ("a PNG of 50 million pixels", encoded(rgba(7_071, 7_071), ImageFormat::Png), true),
        ("one pixel's row too many", encoded(rgba(7_072, 7_072), ImageFormat::Png), false),
        ("16 bits a channel", encoded(DynamicImage::ImageRgba16(wide), ImageFormat::Png), true),
        ("a GIF of 27 million pixels", encoded(rgba(5_200, 5_200), ImageFormat::Gif), true),
        ("a JPEG in many scans, as large as is borne", progressive(4_450), true),
        ("a larger one", progressive(4_700), false),
    ];
    for (what, upload, is_good) in uploads {
        let began = Instant::now();
        let (is_taken, cost) = cost(&upload);

        println!("{what}: {} KiB make {cost} MiB in {} ms", upload.len() / 1024, began.elapsed().as_millis());
        assert!(cost <= ALLOWED + TOLERANCE, "{what}: {cost} MiB");
        assert_eq!(is_taken, is_good, "{what}");
    }
}
