//! The handle by which every part records a sample: a short lock and a bounded buffer, no message.

use std::{
    collections::BTreeSet,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::clock::Clock;

use super::Metric;

/// So many samples wait to be written; more are dropped, and counted.
const AT_MOST: usize = 65_536;

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// What was measured.
    pub metric: Metric,
    /// When, unix seconds.
    pub at: u64,
    /// The value, in the metric's units.
    pub value: f64,
}

/// Takes samples from any thread; `MetricsRecorder` writes them down on its tick.
#[derive(Debug, Clone)]
pub struct Recorder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    disabled: BTreeSet<Metric>,
    clock: Clock,
    buffer: Mutex<Buffer>,
}

#[derive(Debug, Default)]
struct Buffer {
    samples: Vec<Sample>,
    dropped: u64,
}

impl Recorder {
    /// Records every metric but these.
    pub fn new(disabled: BTreeSet<Metric>, clock: Clock) -> Self {
        Self(Arc::new(Shared { disabled, clock, buffer: Mutex::default() }))
    }

    /// Records how long something took.
    pub fn took(&self, metric: Metric, duration: Duration) {
        self.record(metric, duration.as_secs_f64() * 1_000.0);
    }

    /// Records a count or a size.
    pub fn level(&self, metric: Metric, value: u64) {
        self.record(metric, value as f64);
    }

    fn record(&self, metric: Metric, value: f64) {
        if self.0.disabled.contains(&metric) {
            return;
        }
        let at = self.0.clock.unix();
        let mut buffer = self.buffer();
        if buffer.samples.len() < AT_MOST {
            buffer.samples.push(Sample { metric, at, value });
        } else {
            buffer.dropped += 1;
        }
    }

    /// Takes out what was recorded, and how many samples were dropped since the last time.
    pub fn take(&self) -> (Vec<Sample>, u64) {
        let mut buffer = self.buffer();
        (mem::take(&mut buffer.samples), mem::take(&mut buffer.dropped))
    }

    /// Puts back samples that could not be written, before newer ones, as far as there is room.
    pub fn put_back(&self, mut samples: Vec<Sample>) {
        let mut buffer = self.buffer();
        samples.append(&mut buffer.samples);
        let over = samples.len().saturating_sub(AT_MOST);
        samples.drain(..over);
        buffer.dropped += over as u64;
        buffer.samples = samples;
    }

    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        // Nothing under the lock can leave the buffer half changed.
        self.0.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disabled_metric_is_not_recorded() {
        let recorder = Recorder::new(BTreeSet::from([Metric::DatastoreSize]), Clock::System);

        recorder.level(Metric::DatastoreSize, 7);
        recorder.took(Metric::S3FetchLatency, Duration::from_micros(1_500));

        let (samples, dropped) = recorder.take();
        let seen: Vec<_> = samples.iter().map(|sample| (sample.metric, sample.value)).collect();
        assert_eq!((seen, dropped), (vec![(Metric::S3FetchLatency, 1.5)], 0));
    }

    #[test]
    fn the_buffer_is_bounded_and_says_what_it_lost() {
        let recorder = Recorder::new(BTreeSet::new(), Clock::System);
        for n in 0..AT_MOST + 3 {
            recorder.level(Metric::OnboardedUsers, n as u64);
        }
        let (samples, dropped) = recorder.take();
        assert_eq!((samples.len(), dropped), (AT_MOST, 3));

        recorder.level(Metric::OnboardedUsers, 1);
        recorder.put_back(samples);

        assert_eq!((recorder.take().0.len(), recorder.take().1), (AT_MOST, 0));
    }
}
