//! Many simulated lives of the service, each with its own faults.
//!
//! `cargo run --release --example chaos -- --seeds 1000` runs the seeds 0 to 999; `--seed 17 --log` repeats one with its log.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod simulation;

use std::{collections::BTreeMap, process::ExitCode, time::Instant};

use clap::{Arg, ArgAction, Command};
use simulation::{Broken, run};
use slog::{Drain as _, Logger, o};

fn main() -> ExitCode {
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("N").value_parser(clap::value_parser!(u64)).help(help)
    };
    let matches = Command::new("chaos")
        .about("Lives simulated lives of the service under faults, and sees that every profile ends as its preset says")
        .arg(number("seeds", "How many seeds, from 0 [default: 100]"))
        .arg(number("seed", "Only this seed"))
        .arg(Arg::new("log").long("log").action(ArgAction::SetTrue).help("Prints the service's log"))
        .arg(Arg::new("break").long("break").value_parser(["passes"]).help("Breaks a rule on purpose"))
        .get_matches();
    let seeds = match (matches.get_one::<u64>("seed"), matches.get_one::<u64>("seeds")) {
        (Some(seed), _) => *seed..*seed + 1,
        (None, seeds) => 0..*seeds.unwrap_or(&100),
    };
    let broken = if matches.contains_id("break") { Broken::NoPasses } else { Broken::Nothing };
    let log = if matches.get_flag("log") { to_stdout() } else { statusinator::logging::silent() };
    report(seeds, broken, &log)
}

fn report(seeds: std::ops::Range<u64>, broken: Broken, log: &Logger) -> ExitCode {
    let began = Instant::now();
    let (mut failed, mut most_passes, mut simulated, mut calls) = (0, 0, 0, 0);
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    let all = seeds.end - seeds.start;
    for seed in seeds {
        let outcome = run(seed, broken, log);
        for (kind, times) in outcome.faults {
            *faults.entry(kind).or_default() += times;
        }
        most_passes = most_passes.max(outcome.passes);
        simulated += outcome.simulated_s;
        calls += outcome.calls;
        if let Some(failure) = outcome.failure {
            failed += 1;
            println!(
                "seed {seed} failed: {failure}\n  cargo run --release --example chaos -- --seed {seed} --log"
            );
        }
    }
    let took = began.elapsed().as_secs_f64();
    println!(
        "{all} seeds, {failed} failed; {:.1} seeds a second",
        f64::from(u32::try_from(all).unwrap_or(u32::MAX)) / took
    );
    println!(
        "simulated {} hours, {calls} calls of slack; at most {most_passes} passes until every profile was right",
        simulated / 3600
    );
    for (kind, times) in faults {
        println!("  {kind:<20} {times:>8}");
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn to_stdout() -> Logger {
    let decorator = slog_term::PlainSyncDecorator::new(std::io::stdout());
    Logger::root(slog_term::FullFormat::new(decorator).use_original_order().build().fuse(), o!())
}
