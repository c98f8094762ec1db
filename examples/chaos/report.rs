//! Lives seeds and tells what came of them; a seed that failed with the command that repeats it.

use std::{
    collections::BTreeMap,
    path::Path,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use slog::Logger;

use crate::{process, simulation};

/// So many binaries live side by side: they mostly wait.
const SIDE_BY_SIDE: usize = 8;

/// Simulated lives, one after the other.
pub fn simulated(seeds: std::ops::Range<u64>, log: &Logger) -> ExitCode {
    let began = Instant::now();
    let (mut failed, mut most_passes, mut simulated, mut calls) = (0, 0, 0, 0);
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    let all = seeds.end - seeds.start;
    for seed in seeds {
        let outcome = simulation::run(seed, log);
        for (kind, times) in outcome.faults {
            *faults.entry(kind).or_default() += times;
        }
        most_passes = most_passes.max(outcome.passes);
        simulated += outcome.simulated_s;
        calls += outcome.calls;
        if let Some(failure) = outcome.failure {
            failed += 1;
            tell_failure(seed, &failure, "");
        }
    }
    let rate = all as f64 / began.elapsed().as_secs_f64();
    println!("{all} seeds, {failed} failed; {rate:.1} seeds a second");
    println!(
        "simulated {} hours, {calls} calls of slack; at most {most_passes} passes until every profile was right",
        simulated / 3600
    );
    for (kind, times) in faults {
        println!("  {kind:<20} {times:>8}");
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Lives of the binary, some side by side; then one that is killed with full queues.
pub fn processes(binary: &Path, seeds: std::ops::Range<u64>, is_loud: bool) -> ExitCode {
    let (next, failed, longest) =
        (AtomicU64::new(seeds.start), AtomicU64::new(0), Mutex::new(Duration::ZERO));
    let all = seeds.end - seeds.start;
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    match process::run(binary, seed, is_loud) {
                        Ok(took) => {
                            let mut longest = longest.lock().unwrap_or_else(PoisonError::into_inner);
                            *longest = took.max(*longest);
                        }
                        Err(failure) => {
                            failed.fetch_add(1, Ordering::Relaxed);
                            tell_failure(seed, &failure, " --process");
                        }
                    }
                }
            });
        }
    });
    let longest = longest.into_inner().unwrap_or_else(PoisonError::into_inner).as_secs_f64();
    let failed = failed.into_inner();
    println!(
        "{all} seeds of the process, {failed} failed; right at most {longest:.1} s after the faults stopped"
    );
    let killed = process::kill_with_full_queues(binary, is_loud);
    match &killed {
        Ok(took) => println!(
            "kill -9 with 10 on standby, 10 dead letters and 4 worked on: every profile right {} ms after the start",
            took.as_millis()
        ),
        Err(failure) => println!("kill -9 with full queues failed: {failure}"),
    }
    if failed == 0 && killed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell_failure(seed: u64, failure: &str, level: &str) {
    println!(
        "seed {seed} failed: {failure}\n  cargo run --release --example chaos --{level} --seed {seed} --log"
    );
}
