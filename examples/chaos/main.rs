//! Many lives of the service, each with its own faults.
//!
//! `cargo run --release --example chaos -- --seeds 1000` simulates the seeds 0 to 999; `--seed 17 --log` repeats one with
//! its log. With `--process` the real binary lives them, over HTTP and in real time. `--break RULE` builds the service
//! with a rule broken, to see that seeds fail then.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod broken;
mod process;
mod report;
mod simulation;
mod truth;

use std::{
    path::PathBuf,
    process::{Command as Process, ExitCode},
};

use clap::{Arg, ArgAction, ArgMatches, Command};
use slog::{Drain as _, Logger, o};

fn main() -> ExitCode {
    let matches = command().get_matches();
    let number = |name: &str| matches.get_one::<u64>(name).copied();
    let seeds = match (number("seed"), number("seeds")) {
        (Some(seed), _) => seed..seed + 1,
        (None, seeds) => 0..seeds.unwrap_or(100),
    };
    if let Some(name) = matches.get_one::<String>("break") {
        return break_rule(name, seeds.end);
    }
    let is_loud = matches.get_flag("log");
    if matches.get_flag("process") {
        return match binary(&matches) {
            Some(binary) => report::processes(&binary, seeds, is_loud),
            None => ExitCode::FAILURE,
        };
    }
    let log = if is_loud { to_stdout() } else { statusinator::logging::silent() };
    report::simulated(seeds, &log)
}

fn command() -> Command {
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("N").value_parser(clap::value_parser!(u64)).help(help)
    };
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    Command::new("chaos")
        .about("Lives the service's lives under faults, and sees that every profile ends as its preset says")
        .arg(number("seeds", "How many seeds, from 0 [default: 100]"))
        .arg(number("seed", "Only this seed"))
        .arg(flag("log", "Prints the service's log"))
        .arg(flag("process", "Lives them with the real binary, over HTTP and in real time"))
        .arg(
            Arg::new("binary")
                .long("binary")
                .value_name("PATH")
                .value_parser(clap::value_parser!(PathBuf))
                .help("The binary [default: it is built]"),
        )
        .arg(
            Arg::new("break")
                .long("break")
                .value_name("RULE")
                .value_parser(broken::RULES.map(|rule| rule.name))
                .help("Builds the service with this rule broken first"),
        )
}

/// The release binary, built if none is named.
fn binary(matches: &ArgMatches) -> Option<PathBuf> {
    if let Some(path) = matches.get_one::<PathBuf>("binary") {
        return Some(path.clone());
    }
    let root = env!("CARGO_MANIFEST_DIR");
    let built = Process::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--bin", "statusinator"])
        .current_dir(root)
        .status();
    built
        .is_ok_and(|status| status.success())
        .then(|| PathBuf::from(root).join("target/release/statusinator"))
}

/// A broken rule that no seed notices would be a failure.
fn break_rule(name: &str, seeds: u64) -> ExitCode {
    let rule = broken::RULES.iter().find(|rule| rule.name == name).expect("clap allows no other");
    match broken::run(rule, seeds) {
        Ok(status) if status.success() => {
            println!("no seed noticed that {name} is broken");
            ExitCode::FAILURE
        }
        Ok(_) => {
            println!("seeds noticed that {name} is broken");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{name} cannot be broken: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Lines with the simulated time, in seconds from the beginning.
fn to_stdout() -> Logger {
    let decorator = slog_term::PlainSyncDecorator::new(std::io::stdout());
    let began = std::sync::OnceLock::new();
    let simulated = move |to: &mut dyn std::io::Write| {
        let now = statusinator::clock::Instant::now();
        write!(to, "{:11.3}", now.duration_since(*began.get_or_init(|| now)).as_secs_f64())
    };
    let format = slog_term::FullFormat::new(decorator).use_original_order().use_custom_timestamp(simulated);
    Logger::root(format.build().fuse(), o!())
}
