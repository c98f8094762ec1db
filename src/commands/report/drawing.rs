//! A report's plot: a panel for each metric, over the time that the samples span. An SVG of its own, light and dark.

use maud::{Markup, PreEscaped, html};

use crate::plot::{Scale, duration, number};

use super::samples::{Samples, Series};

const WIDTH: f64 = 860.0;
const PANEL: f64 = 190.0;
/// The area within a panel's axes.
const LEFT: f64 = 70.0;
const RIGHT: f64 = WIDTH - 16.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = PANEL - 28.0;
const COLUMNS: usize = 120;

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#444}.title{font-size:14px;font-weight:600;fill:#111}\
    .paper{fill:#fff}.grid{stroke:#ddd}.axis{stroke:#999}.range{fill:#9db9e8}.half{fill:#1d4fa3}\
    @media (prefers-color-scheme:dark){text{fill:#bbb}.title{fill:#eee}.paper{fill:#16181c}.grid{stroke:#33363c}\
    .axis{stroke:#777}.range{fill:#37558c}.half{fill:#a9c7ff}}";

/// The plot as an SVG document.
pub fn draw(samples: &Samples) -> String {
    let (first, last) = samples.span();
    let height = PANEL * samples.series.len() as f64;
    let document = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (WIDTH) " " (height) } width=(WIDTH) height=(height) {
            title { "Metrics of Statusinator" }
            style { (PreEscaped(STYLE)) }
            rect.paper width=(WIDTH) height=(height) {}
            @for (n, (series, rows)) in samples.series.iter().enumerate() {
                g transform={ "translate(0 " (PANEL * n as f64) ")" } { (panel(series, rows, first, last)) }
            }
        }
    };
    document.into_string()
}

fn panel(series: &Series, rows: &[(u64, f64)], first: u64, last: u64) -> Markup {
    let is_duration = series.units == "ms";
    let columns = columns(rows, first, last);
    let largest = rows.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    // A duration of nothing has no place on its axis.
    let least = rows.iter().map(|(_, value)| value.max(0.001)).fold(f64::MAX, f64::min);
    let scale =
        if is_duration { Scale::durations(least, largest.max(0.001)) } else { Scale::counts(largest) };
    let height_of = |at: f64| BOTTOM - scale.part(at) * (BOTTOM - TOP);
    let y = |value: f64| height_of(if is_duration { value.max(0.001).log10() } else { value });
    let step = (RIGHT - LEFT) / COLUMNS as f64;
    html! {
        text.title x=(LEFT) y="20" { (series.name) ", " (series.units) }
        text x=(LEFT) y="37" { (if is_duration { "dot: half took at most this; bar: up to 95 of 100" } else { "the most at a time" }) }
        @for (at, text) in &scale.ticks {
            @let y = height_of(*at);
            line.grid x1=(LEFT) x2=(RIGHT) y1=(number(y)) y2=(number(y)) {}
            text x=(LEFT - 8.0) y=(number(y + 4.0)) text-anchor="end" { (text) }
        }
        @for (n, place) in ["start", "middle", "end"].iter().enumerate() {
            @let at = first + (last - first) * n as u64 / 2;
            text x=(number(LEFT + (RIGHT - LEFT) * n as f64 / 2.0)) y=(BOTTOM + 18.0) text-anchor=(place) { (time(at)) }
        }
        line.axis x1=(LEFT) x2=(RIGHT) y1=(BOTTOM) y2=(BOTTOM) {}
        @for (n, values) in columns.iter().enumerate().filter(|(_, values)| !values.is_empty()) {
            @let x = LEFT + step * n as f64;
            @let (half, most) = (quantile(values, 0.5), quantile(values, 0.95));
            @if is_duration {
                rect.range x=(number(x)) width=(number(step * 0.8)) y=(number(y(most))) height=(number((y(half) - y(most)).max(1.0))) {
                    title { (values.len()) " samples, half within " (duration(half)) ", 95 of 100 within " (duration(most)) }
                }
                circle.half cx=(number(x + step * 0.4)) cy=(number(y(half))) r="2" {}
            } @else {
                @let top = y(quantile(values, 1.0));
                rect.half x=(number(x)) width=(number(step * 0.8)) y=(number(top.min(BOTTOM - 1.0))) height=(number((BOTTOM - top).max(1.0))) {}
            }
        }
    }
}

/// The samples' values, sorted, in columns of equal time.
fn columns(rows: &[(u64, f64)], first: u64, last: u64) -> Vec<Vec<f64>> {
    let mut columns = vec![Vec::new(); COLUMNS];
    let span = (last - first + 1) as f64;
    for (at, value) in rows {
        let n = ((at - first) as f64 / span * COLUMNS as f64) as usize;
        columns[n.min(COLUMNS - 1)].push(*value);
    }
    columns.iter_mut().for_each(|values| values.sort_by(f64::total_cmp));
    columns
}

/// The value that this part of the sorted values (0 to 1) did not exceed; there is at least one.
pub fn quantile(sorted: &[f64], part: f64) -> f64 {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or_default()
}

/// A time, UTC, to the second.
pub fn time(unix: u64) -> String {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(unix.min(MOST));
    humantime::format_rfc3339_seconds(at).to_string().replace('T', " ").replace('Z', "")
}

/// The last second of the year 9999, after which times cannot be written.
const MOST: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_value_that_was_there() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();

        assert_eq!(
            [0.0, 0.5, 0.95, 0.99, 1.0].map(|part| quantile(&sorted, part)),
            [1.0, 50.0, 95.0, 99.0, 100.0]
        );
        assert!((quantile(&[7.0], 0.5) - 7.0).abs() < f64::EPSILON);
    }

    #[test]
    fn samples_fall_into_columns_of_equal_time() {
        let columns = columns(&[(100, 2.0), (100, 1.0), (219, 3.0)], 100, 219);

        assert_eq!((&columns[0], &columns[119]), (&vec![1.0, 2.0], &vec![3.0]));
        assert_eq!(columns.iter().map(Vec::len).sum::<usize>(), 3);
    }
}
