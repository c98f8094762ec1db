//! `statusinator onboard`: onboards everybody whom a presets file names.
//!
//! In the order of a run: [`presets_file`] reads the file ([`document`], [`picture_file`]), [`service`] asks for what is
//! onboarded, [`difference`] compares, [`upload`] and [`batch`] send what is missing. [`run`] is the run, [`screen`] what
//! it shows. Doing it again changes nothing, so whatever fails half-way is mended by doing it again.

pub mod batch;
pub mod difference;
pub mod document;
pub mod picture_file;
pub mod presets_file;
pub mod run;
pub mod screen;
pub mod service;
pub mod show;
pub mod upload;
