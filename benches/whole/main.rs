//! The whole service under load, beside a floor that only checks signatures and beside other ways to receive Slack's
//! events; from an event to the last call of Slack; and as the number of members grows. Prints one table.
//!
//! `scripts/bench` builds what it needs, installs the peers and runs it. `--scene NAME` runs one scene, `--seconds N` sets
//! how long each load lasts.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod load;
mod process;
mod scenes;
mod service;

use std::time::Duration;

use clap::{Arg, Command, value_parser};

const SCENES: [&str; 4] = ["receive", "change", "grow", "metrics"];

fn main() {
    let scene = Arg::new("scene").long("scene").value_parser(SCENES).help("Only this scene");
    let seconds = Arg::new("seconds").long("seconds").value_parser(value_parser!(u64)).default_value("5");
    // cargo adds --bench.
    let bench = Arg::new("bench").long("bench").num_args(0).hide(true);
    let matches =
        Command::new("whole").args([scene, seconds.help("How long each load lasts"), bench]).get_matches();
    let time = Duration::from_secs(*matches.get_one("seconds").unwrap());
    let only = matches.get_one::<String>("scene").map(String::as_str);
    actix::System::new().block_on(async {
        for scene in SCENES.into_iter().filter(|scene| only.is_none_or(|only| only == *scene)) {
            match scene {
                "receive" => scenes::receive(time).await,
                "change" => scenes::change().await,
                "grow" => scenes::grow(time).await,
                _ => scenes::metrics(time).await,
            }
        }
    });
}
