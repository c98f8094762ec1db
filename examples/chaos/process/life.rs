//! One life of the binary under faults.

use std::{path::Path, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng, seq::IndexedRandom as _};
use statusinator::{
    clock::Clock,
    demo::{Delivery, Effect, Fault, SimulatedSlack},
};

use super::binary::Binary;
use crate::truth::{EMOJI, Truth};

const STEPS: usize = 60;
/// Slack's waits before its further deliveries, shortened.
const WAITS: [Duration; 3] = [Duration::from_millis(20), Duration::from_millis(300), Duration::from_secs(1)];
const METHODS: [&str; 5] =
    ["users.profile.get", "users.list", "auth.test", "users.profile.set", "users.setPhoto"];

/// Lives a seed's life. `Err` tells what did not hold; `Ok` how long the profiles took to become right at its end.
pub fn run(binary: &Path, seed: u64, is_loud: bool) -> Result<Duration, String> {
    actix::System::new().block_on(async {
        let mut rng = SmallRng::seed_from_u64(seed);
        let slack = SimulatedSlack::new("T0CHAOS", rng.random_bool(0.5), Clock::System);
        let mut truth = Truth::new(slack, rng.random_range(2..5), rng.random_bool(0.5));
        for member in truth.members.clone() {
            truth.choose_presets(&member, &mut rng);
        }
        // So often passes never use up what they may use of a minute's calls.
        let settings = [
            ("STATUSINATOR_RECONCILE_INTERVAL", "6s"),
            ("STATUSINATOR_QUEUE_CAPACITY", "2"),
            ("STATUSINATOR_DEAD_LETTER_CAPACITY", "1"),
            ("STATUSINATOR_WORKERS", "2"),
            ("STATUSINATOR_DRAIN_TIMEOUT", "1s"),
        ];
        let binary = Binary::new(binary, &truth, is_loud, &settings);
        Life { rng, truth, binary }.live().await
    })
}

struct Life {
    rng: SmallRng,
    truth: Truth,
    binary: Binary,
}

impl Life {
    async fn live(mut self) -> Result<Duration, String> {
        self.binary.start().await?;
        for member in self.truth.members.clone() {
            self.binary.authorise(&mut self.truth, &member).await?;
        }
        let delivery = Delivery { retry_after: WAITS, ..self.binary.delivery() };
        let delivering = actix::spawn(delivery.run(self.binary.slack.clone()));
        for _ in 0..STEPS {
            self.step().await?;
            let pause = Duration::from_millis(self.rng.random_range(0..200));
            tokio::time::sleep(pause).await;
        }
        // What Slack has to tell now is lost: a pass must find it.
        delivering.abort();
        self.binary.slack.lock().faults.clear();
        let began = std::time::Instant::now();
        let right =
            self.binary.until("every profile is as its preset says", async || self.truth.wrong().is_empty());
        right.await.map_err(|late| format!("{late}: {}", self.truth.wrong().join("; ")))?;
        let took = began.elapsed();
        match self.binary.slack.violations() {
            none if none.is_empty() => Ok(took),
            some => Err(format!("slack would have refused: {}", some.join("; "))),
        }
    }

    async fn step(&mut self) -> Result<(), String> {
        self.truth.expire();
        let member = self.truth.anybody(&mut self.rng);
        match self.rng.random_range(0..100) {
            0..50 => {
                let emoji = *EMOJI.choose(&mut self.rng).expect("emoji");
                self.truth.set_status(&member, emoji, 0);
            }
            50..55 => {
                self.truth.rename_by_hand(&member, &format!("by hand {}", self.rng.random_range(0..99)))
            }
            55..60 => self.truth.change_photo_by_hand(&member),
            60..65 => {
                self.truth.choose_presets(&member, &mut self.rng);
                self.binary.put_users(&self.truth);
            }
            65..90 => self.befall_slack(),
            90..93 => {
                let away = Duration::from_millis(self.rng.random_range(0..1500));
                self.binary.refuse_connections(away).await;
            }
            93..98 => {
                self.binary.kill();
                self.binary.spawn();
            }
            _ => {
                self.binary.signal();
                let ended = self.binary.ended();
                if !ended.success() {
                    return Err(format!("a stop ended with {ended}"));
                }
                self.binary.spawn();
            }
        }
        Ok(())
    }

    fn befall_slack(&mut self) {
        let moment = Duration::from_millis(self.rng.random_range(0..3000));
        let effect = match self.rng.random_range(0..9) {
            0 => Effect::Status(503),
            1 => Effect::Error("internal_error".into()),
            2 => Effect::RateLimited(Some(self.rng.random_range(1..3))),
            3 => Effect::Garbage("<html>".into()),
            4 => Effect::Delay(moment),
            5 => Effect::SlowBody(moment),
            6 => Effect::LostAnswer,
            7 => Effect::Cut,
            _ => Effect::Hang,
        };
        let method = METHODS.choose(&mut self.rng).expect("methods");
        self.binary.slack.inject(Fault::next(method, 1, effect));
    }
}
