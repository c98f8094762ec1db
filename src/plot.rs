//! A plot's vertical axis, and how its values are written for people.

/// What lies where on the axis, and what is written beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    from: f64,
    to: f64,
    /// Values, and what they are called.
    pub ticks: Vec<(f64, String)>,
}

impl Scale {
    /// From nothing to at least this; half of it is a whole number, too.
    pub fn counts(most: f64) -> Self {
        let decade = 10_f64.powf(most.max(1.0).log10().floor());
        let step = [1.0, 2.0, 4.0, 10.0].into_iter().find(|step| step * decade >= most).unwrap_or(10.0);
        let to = (step * decade).max(2.0);
        let ticks = [0.0, to / 2.0, to].map(|at| (at, format!("{at}")));
        Self { from: 0.0, to, ticks: ticks.into() }
    }

    /// Powers of ten milliseconds around these values, as exponents.
    pub fn durations(least: f64, most: f64) -> Self {
        let from = least.log10().floor();
        let to = most.log10().ceil().max(from + 1.0);
        let ticks = (from as i32..=to as i32).map(|power| (f64::from(power), duration(10_f64.powi(power))));
        Self { from, to, ticks: ticks.collect() }
    }

    /// Where a value lies: 0 at the bottom, 1 at the top.
    pub fn part(&self, at: f64) -> f64 {
        (at - self.from) / (self.to - self.from)
    }
}

/// A duration in milliseconds, for people.
pub fn duration(ms: f64) -> String {
    let (value, unit) = match ms {
        _ if ms < 1_000.0 => (ms, "ms"),
        _ if ms < 60_000.0 => (ms / 1_000.0, "s"),
        _ => (ms / 60_000.0, "min"),
    };
    let text = match value {
        _ if value < 0.1 => format!("{value:.3}"),
        _ if value < 10.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    };
    format!(
        "{} {unit}",
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text }
    )
}

/// A coordinate.
pub fn number(at: f64) -> String {
    format!("{at:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_for_people() {
        let texts =
            [0.004, 0.13, 1.0, 9.96, 180.4, 200.0, 1_250.0, 59_000.0, 60_000.0, 150_000.0].map(duration);

        let expected =
            ["0.004 ms", "0.1 ms", "1 ms", "10 ms", "180 ms", "200 ms", "1.2 s", "59 s", "1 min", "2.5 min"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_scale_of_counts_ends_at_a_round_number_that_holds_all() {
        for (most, end) in [(0.0, 2.0), (1.0, 2.0), (3.0, 4.0), (10.0, 10.0), (11.0, 20.0), (700.0, 1_000.0)]
        {
            assert!((Scale::counts(most).to - end).abs() < f64::EPSILON, "{most}");
        }
    }

    #[test]
    fn a_scale_of_durations_has_whole_decades_around_its_values() {
        let scale = Scale::durations(12.0, 3_400.0);

        let texts: Vec<&str> = scale.ticks.iter().map(|(_, text)| text.as_str()).collect();

        assert_eq!(texts, ["10 ms", "100 ms", "1 s", "10 s"]);
        assert!(scale.part(12_f64.log10()) > 0.0 && scale.part(3_400_f64.log10()) < 1.0);
    }
}
