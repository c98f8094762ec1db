//! The same measurements as Prometheus has them, in base units, beside counters of all that happened.
//!
//! Names and labels are fixed, and none is a member's: the number of series never grows.

use std::{collections::BTreeSet, time::Duration};

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, TextEncoder, proto::MetricFamily,
};

use crate::slack::Method;

use super::{
    Metric,
    count::{Count, Family, RATE_LIMITED, RESTARTABLE, RESTARTS},
};

/// From 0.1 ms, in which a folder is read, to 60 s, within which a limit lets a request go on.
const BUCKETS: [f64; 18] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0, 60.0,
];

/// A state of the service that is no measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Whether `/readyz` says ready.
    Ready,
    /// How many problems `/readyz` names.
    Problems,
    /// Whether `users.json` cannot be read or is damaged.
    UsersFileBroken,
}

impl State {
    const ALL: [(&str, &str); 3] = [
        ("statusinator_ready", "1 when the service does its work, else 0"),
        ("statusinator_problems", "Problems that /readyz names"),
        ("statusinator_users_file_broken", "1 while users.json cannot be read or is damaged, else 0"),
    ];
}

/// One metric's place; none if it is disabled.
#[derive(Debug)]
enum Instrument {
    Disabled,
    Histogram(Histogram),
    Gauge(IntGauge),
}

/// Everything that `/metrics` shows.
#[derive(Debug)]
pub struct Registry {
    registry: prometheus::Registry,
    instruments: Vec<Instrument>,
    counters: Vec<IntCounter>,
    states: Vec<IntGauge>,
    rate_limited: IntCounterVec,
    restarts: IntCounterVec,
}

impl Registry {
    /// Shows every metric but the disabled ones; everything is there from the start, at zero.
    ///
    /// # Errors
    /// When a name is not one that Prometheus takes, or is there twice: the names are fixed, so a test would see it.
    pub fn new(disabled: &BTreeSet<Metric>) -> prometheus::Result<Self> {
        let registry = prometheus::Registry::new();
        let instrument = |metric: Metric| match disabled.contains(&metric) {
            true => Ok(Instrument::Disabled),
            false => instrument(&registry, metric),
        };
        let gauge = |(name, help): (&str, &str)| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone())).map(|()| gauge)
        };
        let counter = |(_, family, label): &(Count, &Family, &str)| {
            let opts = Opts::new(family.name, family.help);
            let counter = IntCounter::with_opts(match family.label {
                Some(name) => opts.const_label(name, *label),
                None => opts,
            })?;
            registry.register(Box::new(counter.clone())).map(|()| counter)
        };
        Ok(Self {
            instruments: Metric::ALL.into_iter().map(instrument).collect::<prometheus::Result<_>>()?,
            counters: Count::ALL.iter().map(counter).collect::<prometheus::Result<_>>()?,
            states: State::ALL.into_iter().map(gauge).collect::<prometheus::Result<_>>()?,
            rate_limited: counters(&registry, RATE_LIMITED, Method::ALL.map(Method::name))?,
            restarts: counters(&registry, RESTARTS, RESTARTABLE)?,
            registry,
        })
    }

    /// Whether a metric is shown.
    pub fn has(&self, metric: Metric) -> bool {
        !matches!(self.instruments[metric as usize], Instrument::Disabled)
    }

    /// Notes how long something took.
    pub fn took(&self, metric: Metric, duration: Duration) {
        if let Instrument::Histogram(histogram) = &self.instruments[metric as usize] {
            histogram.observe(duration.as_secs_f64());
        }
    }

    /// Notes a count or a size.
    pub fn level(&self, metric: Metric, value: u64) {
        if let Instrument::Gauge(gauge) = &self.instruments[metric as usize] {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }

    /// Counts.
    pub fn count(&self, count: Count, by: u64) {
        self.counters[count as usize].inc_by(by);
    }

    /// Counts a call that Slack put off.
    pub fn rate_limited(&self, method: Method) {
        self.rate_limited.with_label_values(&[method.name()]).inc();
    }

    /// Counts an actor's restart.
    pub fn restarted(&self, actor: &'static str) {
        self.restarts.with_label_values(&[actor]).inc();
    }

    /// Notes a state.
    pub fn state(&self, state: State, value: u64) {
        self.states[state as usize].set(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// All of it as it stands.
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    /// All of it as Prometheus reads it.
    pub fn text(&self) -> String {
        TextEncoder::new().encode_to_string(&self.gather()).unwrap_or_default()
    }
}

fn instrument(registry: &prometheus::Registry, metric: Metric) -> prometheus::Result<Instrument> {
    let (name, help) = (metric.prometheus_name(), metric.help());
    if metric.is_duration() {
        let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(BUCKETS.to_vec()))?;
        registry.register(Box::new(histogram.clone()))?;
        return Ok(Instrument::Histogram(histogram));
    }
    let gauge = IntGauge::new(name, help)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(Instrument::Gauge(gauge))
}

fn counters<const N: usize>(
    registry: &prometheus::Registry,
    family: Family,
    values: [&str; N],
) -> prometheus::Result<IntCounterVec> {
    let counters =
        IntCounterVec::new(Opts::new(family.name, family.help), &[family.label.unwrap_or_default()])?;
    for value in values {
        counters.with_label_values(&[value]).reset();
    }
    registry.register(Box::new(counters.clone()))?;
    Ok(counters)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_there_from_the_start() {
        let text = Registry::new(&BTreeSet::new()).unwrap().text();

        for metric in Metric::ALL {
            assert!(text.contains(&format!("# TYPE {} ", metric.prometheus_name())), "{text}");
        }
        for (_, family, label) in Count::ALL {
            let series = match family.label {
                Some(name) => format!("\n{}{{{name}=\"{label}\"}} 0\n", family.name),
                None => format!("\n{} 0\n", family.name),
            };
            assert!(text.contains(&series), "{series} is not in:\n{text}");
        }
        for method in Method::ALL {
            assert!(
                text.contains(&format!("statusinator_rate_limited_total{{method=\"{}\"}} 0", method.name()))
            );
        }
    }

    #[test]
    fn durations_are_in_seconds_and_fall_into_their_buckets() {
        let registry = Registry::new(&BTreeSet::new()).unwrap();

        registry.took(Metric::SlackApiLatency, Duration::from_micros(90));
        registry.took(Metric::SlackApiLatency, Duration::from_secs(45));
        registry.level(Metric::DatastoreSize, 4_096);

        let text = registry.text();
        let expected = [
            "statusinator_slack_api_latency_seconds_bucket{le=\"0.0001\"} 1",
            "statusinator_slack_api_latency_seconds_bucket{le=\"30\"} 1",
            "statusinator_slack_api_latency_seconds_bucket{le=\"60\"} 2",
            "statusinator_slack_api_latency_seconds_count 2",
            "statusinator_datastore_size_bytes 4096",
        ];
        for line in expected {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
    }

    #[test]
    fn a_disabled_metric_is_not_shown() {
        let registry = Registry::new(&Metric::ALL.into()).unwrap();

        registry.took(Metric::SlackApiLatency, Duration::from_secs(1));
        registry.level(Metric::OnboardedUsers, 1);

        let text = registry.text();
        assert!(Metric::ALL.into_iter().all(|metric| !registry.has(metric)));
        assert!(Metric::ALL.into_iter().all(|metric| !text.contains(metric.name())), "{text}");
    }

    #[test]
    fn what_happens_is_counted_by_its_label() {
        let registry = Registry::new(&BTreeSet::new()).unwrap();

        registry.count(Count::EventUnchanged, 3);
        registry.restarted("slack_client");
        registry.rate_limited(Method::UsersSetPhoto);
        registry.state(State::Problems, 2);

        let text = registry.text();
        let expected = [
            "statusinator_events_total{outcome=\"ignored_unchanged\"} 3",
            "statusinator_actor_restarts_total{actor=\"slack_client\"} 1",
            "statusinator_rate_limited_total{method=\"users.setPhoto\"} 1",
            "statusinator_problems 2",
        ];
        for line in expected {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
    }
}
