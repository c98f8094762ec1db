//! The handle by which every part records a sample: a short lock and a bounded buffer, no message.

use std::{
    collections::BTreeSet,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus::proto::MetricFamily;

use crate::{clock::Clock, slack::Method};

use super::{Count, History, Metric, Registry, State, While};

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

/// Takes samples and counts from any thread. `MetricsRecorder` writes the samples down on its tick; `/metrics` shows
/// both as they stand.
#[derive(Debug, Clone)]
pub struct Recorder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// `None` only if a name were wrong, which the tests rule out.
    registry: Option<Registry>,
    clock: Clock,
    buffer: Mutex<Buffer>,
    history: Mutex<History>,
}

#[derive(Debug, Default)]
struct Buffer {
    samples: Vec<Sample>,
    dropped: u64,
}

impl Recorder {
    /// Records every metric but these.
    pub fn new(disabled: BTreeSet<Metric>, clock: Clock) -> Self {
        Self(Arc::new(Shared {
            registry: Registry::new(&disabled).ok(),
            clock,
            buffer: Mutex::default(),
            history: Mutex::default(),
        }))
    }

    fn registry(&self) -> Option<&Registry> {
        self.0.registry.as_ref()
    }

    /// Records how long something took.
    pub fn took(&self, metric: Metric, duration: Duration) {
        let Some(registry) = self.registry().filter(|registry| registry.has(metric)) else { return };
        registry.took(metric, duration);
        self.record(metric, duration.as_secs_f64() * 1_000.0);
    }

    /// Records a count or a size.
    pub fn level(&self, metric: Metric, value: u64) {
        let Some(registry) = self.registry().filter(|registry| registry.has(metric)) else { return };
        registry.level(metric, value);
        self.record(metric, value as f64);
    }

    /// Counts one.
    pub fn count(&self, count: Count) {
        self.count_by(count, 1);
    }

    /// Counts several at once.
    pub fn count_by(&self, count: Count, by: u64) {
        self.registry().inspect(|registry| registry.count(count, by));
    }

    /// Counts a call that Slack put off.
    pub fn rate_limited(&self, method: Method) {
        self.registry().inspect(|registry| registry.rate_limited(method));
    }

    /// Counts an actor's restart.
    pub fn restarted(&self, actor: &'static str) {
        self.registry().inspect(|registry| registry.restarted(actor));
    }

    /// Notes a state of the service.
    pub fn state(&self, state: State, value: u64) {
        self.registry().inspect(|registry| registry.state(state, value));
    }

    /// Counters, gauges and histograms as they stand.
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.registry().map(Registry::gather).unwrap_or_default()
    }

    /// The same, as Prometheus reads it.
    pub fn text(&self) -> String {
        self.registry().map(Registry::text).unwrap_or_default()
    }

    fn record(&self, metric: Metric, value: f64) {
        let at = self.0.clock.unix();
        if History::has(metric) {
            self.0.history.lock().unwrap_or_else(PoisonError::into_inner).add(metric, at, value);
        }
        let mut buffer = self.buffer();
        if buffer.samples.len() < AT_MOST {
            buffer.samples.push(Sample { metric, at, value });
        } else {
            buffer.dropped += 1;
            self.count(Count::SampleDropped);
        }
    }

    /// What was measured in the last hours: as many whiles of so many minutes each, the last of which holds now.
    pub fn whiles(&self, count: u64, minutes: u64) -> Vec<While> {
        let history = self.0.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.whiles(self.0.clock.unix(), count, minutes)
    }

    /// Whether a metric is recorded.
    pub fn records(&self, metric: Metric) -> bool {
        self.registry().is_some_and(|registry| registry.has(metric))
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
        self.count_by(Count::SampleDropped, over as u64);
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
        let text = recorder.text();
        assert!(
            text.contains("statusinator_s3_fetch_latency_seconds_count 1")
                && !text.contains("datastore_size")
        );
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
        assert!(recorder.text().contains("statusinator_samples_dropped_total 4"));
    }
}
