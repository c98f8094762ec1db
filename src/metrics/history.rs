//! What was measured in the last hours, minute by minute, in memory: the operator's page draws it.
//!
//! A [`Spread`] keeps how many values fell between one power of the square root of two and the next: enough to tell
//! a percentile to within a fifth, in some hundred bytes a minute however much was measured.

use std::collections::VecDeque;

use super::Metric;

/// How many minutes are kept.
pub const MINUTES: u64 = 6 * 60;
/// Seconds in a minute.
const MINUTE: u64 = 60;
/// Values below this, in milliseconds, fell between nothing and the first power.
const SMALLEST: f64 = 0.1;
/// From 0.1 ms up to more than a day.
const STEPS: usize = 60;

/// How values were spread over a while.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spread {
    counts: Vec<u32>,
    largest: f64,
}

impl Spread {
    fn add(&mut self, value: f64) {
        let step = (2.0 * (value.max(SMALLEST) / SMALLEST).log2()).floor() as usize;
        let step = step.min(STEPS - 1);
        if self.counts.len() <= step {
            self.counts.resize(step + 1, 0);
        }
        self.counts[step] = self.counts[step].saturating_add(1);
        self.largest = self.largest.max(value);
    }

    /// Takes in another while.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.largest = self.largest.max(other.largest);
    }

    /// How many values there were.
    pub fn len(&self) -> u64 {
        self.counts.iter().copied().map(u64::from).sum()
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The largest value; 0 if there was none.
    pub fn largest(&self) -> f64 {
        self.largest
    }

    /// The value that this part of all values (0 to 1) did not exceed; `None` if there was none.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let wanted = ((self.len() as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        let step = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= wanted
        })?;
        // The middle of the step, but never more than was there.
        Some((SMALLEST * 2_f64.powf((step as f64 + 0.5) / 2.0)).min(self.largest))
    }
}

/// What was measured within a while.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct While {
    /// How long requests took, ms.
    pub requests: Spread,
    /// How long calls of Slack took, ms.
    pub slack: Spread,
    /// How long reads of the store took, ms.
    pub store: Spread,
    /// The most requests that stood by at once; `None` if nothing was recorded.
    pub standby: Option<u64>,
    /// The most requests that were in the dead letter queue at once.
    pub dead_letters: Option<u64>,
}

impl While {
    fn add(&mut self, metric: Metric, value: f64) {
        let peak = |peak: &mut Option<u64>| *peak = Some(peak.unwrap_or_default().max(value as u64));
        match metric {
            Metric::RequestLifecycleDuration => self.requests.add(value),
            Metric::SlackApiLatency => self.slack.add(value),
            Metric::S3FetchLatency => self.store.add(value),
            Metric::InboundRequestQueueSize => peak(&mut self.standby),
            Metric::DeadLetterQueueSize => peak(&mut self.dead_letters),
            Metric::EventParsingLatency | Metric::OnboardedUsers | Metric::DatastoreSize => {}
        }
    }

    /// Takes in another while.
    pub fn merge(&mut self, other: &Self) {
        self.requests.merge(&other.requests);
        self.slack.merge(&other.slack);
        self.store.merge(&other.store);
        self.standby = self.standby.max(other.standby);
        self.dead_letters = self.dead_letters.max(other.dead_letters);
    }
}

/// The last [`MINUTES`] minutes in which anything was measured.
#[derive(Debug, Clone, Default)]
pub struct History(VecDeque<(u64, While)>);

impl History {
    /// Whether a metric is drawn: the others cost nothing here.
    pub fn has(metric: Metric) -> bool {
        !matches!(metric, Metric::EventParsingLatency | Metric::OnboardedUsers | Metric::DatastoreSize)
    }

    /// Takes in a value.
    pub fn add(&mut self, metric: Metric, unix: u64, value: f64) {
        let minute = unix / MINUTE;
        // A clock that was set back goes on in the newest minute.
        if self.0.back().is_none_or(|(newest, _)| *newest < minute) {
            self.0.push_back((minute, While::default()));
        }
        while self.0.front().is_some_and(|(oldest, _)| oldest + MINUTES <= minute) {
            self.0.pop_front();
        }
        if let Some((_, newest)) = self.0.back_mut() {
            newest.add(metric, value);
        }
    }

    /// So many whiles of so many minutes each, the oldest first; the last one holds now.
    pub fn whiles(&self, unix_now: u64, count: u64, minutes: u64) -> Vec<While> {
        let mut whiles = vec![While::default(); count as usize];
        for (minute, measured) in &self.0 {
            if let Some(at) = place(*minute * MINUTE, unix_now, count, minutes) {
                whiles[at].merge(measured);
            }
        }
        whiles
    }
}

/// In which of so many whiles of so many minutes a time lies, if the last while holds now.
pub fn place(unix: u64, unix_now: u64, count: u64, minutes: u64) -> Option<usize> {
    let of = |unix: u64| unix / (minutes * MINUTE);
    let back = of(unix_now).checked_sub(of(unix))?;
    (back < count).then(|| (count - 1 - back) as usize)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_700_000_000;

    #[test]
    fn values_lie_in_the_while_in_which_they_were_measured() {
        let mut history = History::default();
        history.add(Metric::RequestLifecycleDuration, NOW - 600, 10.0);
        history.add(Metric::RequestLifecycleDuration, NOW, 20.0);
        history.add(Metric::InboundRequestQueueSize, NOW, 3.0);
        history.add(Metric::InboundRequestQueueSize, NOW, 1.0);

        let whiles = history.whiles(NOW, 12, 5);

        let counts: Vec<u64> = whiles.iter().map(|it| it.requests.len()).collect();
        assert_eq!(counts, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]);
        assert_eq!((whiles[11].standby, whiles[9].standby), (Some(3), None));
    }

    #[test]
    fn no_more_minutes_are_kept_than_are_drawn() {
        let mut history = History::default();
        for n in 0..2 * MINUTES {
            history.add(Metric::SlackApiLatency, NOW + n * MINUTE, 5.0);
        }

        assert_eq!(history.0.len() as u64, MINUTES);
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing_and_grows_nothing() {
        let mut history = History::default();
        history.add(Metric::SlackApiLatency, NOW, 5.0);

        history.add(Metric::SlackApiLatency, NOW - 86_400, 5.0);

        assert_eq!((history.0.len(), history.whiles(NOW, 1, 5)[0].slack.len()), (1, 2));
    }

    #[test]
    fn what_nobody_draws_is_not_kept() {
        assert!(!History::has(Metric::EventParsingLatency));
        assert!(History::has(Metric::RequestLifecycleDuration));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn a_quantile_is_off_by_no_more_than_a_fifth(
            mut values in prop::collection::vec(0.1_f64..100_000.0, 1..200), part in 0.01_f64..=1.0
        ) {
            let mut spread = Spread::default();
            values.iter().for_each(|value| spread.add(*value));
            values.sort_by(f64::total_cmp);
            let exact = values[((values.len() as f64 * part).ceil() as usize).max(1) - 1];

            let told = spread.quantile(part).unwrap();

            prop_assert!((told / exact).log2().abs() <= 0.2501 && told <= spread.largest(), "{told} for {exact}");
        }

        #[test]
        fn merging_is_the_same_as_measuring_at_once(
            one in prop::collection::vec(0.0_f64..1e9, 0..50), other in prop::collection::vec(0.0_f64..1e9, 0..50)
        ) {
            let of = |values: &[f64]| {
                let mut spread = Spread::default();
                values.iter().for_each(|value| spread.add(*value));
                spread
            };
            let mut merged = of(&one);

            merged.merge(&of(&other));

            prop_assert_eq!(merged, of(&[one, other].concat()));
        }
    }
}
