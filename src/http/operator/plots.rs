//! The page's plots, as SVG drawn on the server. What a plot shows also stands above it in words.
//!
//! Elements of SVG are written with `{}`: HTML knows no empty ones there, so what is not closed swallows what follows.

use maud::{Markup, html};

use crate::{
    actors::chronicler::Ending,
    config::QueueConfig,
    metrics::{Metric, Spread, While},
    plot::{Scale, duration, number},
};

use super::overview::Lately;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 180.0;
/// The area within the axes.
const LEFT: f64 = 56.0;
const RIGHT: f64 = WIDTH - 6.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = HEIGHT - 22.0;

/// Where a value lies in the drawing.
fn height_of(scale: &Scale, at: f64) -> f64 {
    BOTTOM - scale.part(at) * (BOTTOM - TOP)
}

/// How long something took: in each while a bar up to what 95 of 100 did not exceed, and a dot at what half did not.
pub fn durations(
    title: &str,
    things: &str,
    metric: Metric,
    lately: &Lately,
    spread: fn(&While) -> &Spread,
) -> Markup {
    let whole = lately.whole();
    let all = spread(&whole);
    let summary = match (all.quantile(0.5), all.quantile(0.95)) {
        (Some(half), Some(most)) => format!(
            "{} {things} in the last {}: half took at most {}, 95 of 100 at most {}, the longest {}.",
            all.len(),
            lately.span(),
            duration(half),
            duration(most),
            duration(all.largest())
        ),
        _ => nothing(things, metric, lately),
    };
    let marks: Vec<Option<(f64, f64)>> = lately
        .whiles
        .iter()
        .map(|it| Some((spread(it).quantile(0.5)?.log10(), spread(it).quantile(0.95)?.log10())))
        .collect();
    let least = marks.iter().flatten().map(|(half, _)| *half).reduce(f64::min).unwrap_or(1.0);
    let most = marks.iter().flatten().map(|(_, most)| *most).reduce(f64::max).unwrap_or(3.0);
    let scale = Scale::durations(10_f64.powf(least), 10_f64.powf(most));
    let (step, width) = columns(lately.whiles.len());
    let drawing = html! {
        @for (n, (half, most)) in marks.iter().enumerate().filter_map(|(n, mark)| Some((n, (*mark)?))) {
            @let x = LEFT + step * n as f64;
            @let radius = (step * 0.42).clamp(2.0, 3.0);
            g {
                title { (when(n, lately)) ": " (spread(&lately.whiles[n]).len()) " " (things) ", half within "
                    (duration(10_f64.powf(half))) ", 95 of 100 within " (duration(10_f64.powf(most))) }
                rect.range x=(number(x)) y=(number(height_of(&scale, most))) width=(number(width)) rx="1"
                    height=(number((height_of(&scale, half) - height_of(&scale, most)).max(1.0))) {}
                circle.half cx=(number(x + width / 2.0)) cy=(number(height_of(&scale, half))) r=(number(radius)) {}
            }
        }
    };
    let legend = [("half", "half took at most this"), ("range", "up to 95 of 100")];
    figure(title, &summary, &scale, lately, &drawing, all.is_empty(), &legend)
}

/// How parts ended, stacked.
pub fn endings(lately: &Lately) -> Markup {
    let sums = lately.sums();
    let total: u32 = sums.iter().sum();
    let happened = Ending::ALL.iter().zip(sums).filter(|(_, sum)| *sum > 0);
    let told: Vec<String> = happened.map(|(it, sum)| format!("{sum} {}", it.as_str())).collect();
    let summary = match total {
        0 => format!("No name or picture changed in the last {}.", lately.span()),
        _ => format!("Names and pictures in the last {}: {}.", lately.span(), told.join(", ")),
    };
    let most = lately.endings.iter().map(|counts| counts.iter().sum::<u32>()).max().unwrap_or_default();
    let scale = Scale::counts(f64::from(most));
    let (step, width) = columns(lately.endings.len());
    let drawing = html! {
        @for (n, counts) in lately.endings.iter().enumerate().filter(|(_, counts)| **counts != [0; 4]) {
            g {
                title { (when(n, lately)) @for (ending, count) in Ending::ALL.iter().zip(counts) {
                    @if *count > 0 { ", " (count) " " (ending.as_str()) }
                } }
                @for (below, ending, count) in stacked(counts) {
                    rect class=(ending.as_str()) x=(number(LEFT + step * n as f64)) width=(number(width))
                        y=(number(height_of(&scale, f64::from(below + count))))
                        height=(number(height_of(&scale, 0.0) - height_of(&scale, f64::from(count)))) {}
                }
            }
        }
    };
    let legend = Ending::ALL.map(|ending| (ending.as_str(), ending.as_str()));
    figure("Names and pictures", &summary, &scale, lately, &drawing, total == 0, &legend)
}

/// What of a column lies below each of its parts.
fn stacked(counts: &[u32; 4]) -> Vec<(u32, Ending, u32)> {
    let mut below = 0;
    let mut parts = Vec::new();
    for (ending, count) in Ending::ALL.into_iter().zip(*counts).filter(|(_, count)| *count > 0) {
        parts.push((below, ending, count));
        below += count;
    }
    parts
}

/// How full the queues were at the most.
pub fn queues(lately: &Lately, queue: QueueConfig) -> Markup {
    let whole = lately.whole();
    let summary = match (whole.standby, whole.dead_letters) {
        (None, None) => nothing("requests on standby", Metric::InboundRequestQueueSize, lately),
        (standby, dead) => format!(
            "At the most {} of {} stood by and {} of {} were dead letters in the last {}.",
            standby.unwrap_or_default(),
            queue.capacity,
            dead.unwrap_or_default(),
            queue.dead_letter_capacity,
            lately.span()
        ),
    };
    let capacity = queue.capacity.max(queue.dead_letter_capacity) as f64;
    let scale = Scale::counts(capacity);
    let (step, width) = columns(lately.whiles.len());
    let bar = |n: usize, class: &str, side: f64, depth: Option<u64>| {
        let depth = depth.unwrap_or_default() as f64;
        let (x, y) = (LEFT + step * n as f64 + side * width / 2.0, height_of(&scale, depth));
        html! { @if depth > 0.0 {
            rect class=(class) x=(number(x)) y=(number(y)) width=(number(width / 2.0)) height=(number(height_of(&scale, 0.0) - y)) {}
        } }
    };
    let drawing = html! {
        line.limit x1=(LEFT) x2=(RIGHT) y1=(number(height_of(&scale, queue.capacity as f64))) y2=(number(height_of(&scale, queue.capacity as f64))) {}
        @for (n, it) in lately.whiles.iter().enumerate() {
            g {
                title { (when(n, lately)) ": " (it.standby.unwrap_or_default()) " on standby, "
                    (it.dead_letters.unwrap_or_default()) " dead letters" }
                (bar(n, "standby", 0.0, it.standby))
                (bar(n, "dead", 1.0, it.dead_letters))
            }
        }
    };
    let legend = [("standby", "standby"), ("dead", "dead letters"), ("limit", "room for standby")];
    figure("Queues", &summary, &scale, lately, &drawing, false, &legend)
}

fn nothing(things: &str, metric: Metric, lately: &Lately) -> String {
    if lately.records(metric) {
        format!("No {things} in the last {}.", lately.span())
    } else {
        format!("Not recorded: STATUSINATOR_METRICS_DISABLED names {}.", metric.name())
    }
}

/// The distance of columns, and how wide each is.
fn columns(count: usize) -> (f64, f64) {
    let step = (RIGHT - LEFT) / count as f64;
    (step, step * 0.8)
}

/// When a while was, as in "40 to 35 minutes ago".
fn when(n: usize, lately: &Lately) -> String {
    let back = (lately.whiles.len() - 1 - n) as u64 * lately.minutes;
    if back == 0 { "now".to_owned() } else { format!("{back} minutes ago") }
}

fn figure(
    title: &str,
    summary: &str,
    scale: &Scale,
    lately: &Lately,
    drawing: &Markup,
    is_empty: bool,
    legend: &[(&str, &str)],
) -> Markup {
    let span = lately.whiles.len() as u64 * lately.minutes;
    let label = |back: u64| match back {
        0 => "now".to_owned(),
        _ if span > 60 => format!("−{} h", back / 60),
        _ => format!("−{back} min"),
    };
    html! {
        figure.plot.card {
            figcaption { h3 { (title) } p { (summary) } }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label={ (title) ". " (summary) } {
                @for (at, text) in &scale.ticks {
                    @let y = height_of(scale, *at);
                    line.grid x1=(LEFT) x2=(RIGHT) y1=(number(y)) y2=(number(y)) {}
                    text x=(LEFT - 6.0) y=(number(y + 4.0)) text-anchor="end" { (text) }
                }
                @for (n, back) in [span, span * 2 / 3, span / 3, 0].into_iter().enumerate() {
                    @let x = LEFT + (RIGHT - LEFT) * n as f64 / 3.0;
                    text x=(number(x)) y=(HEIGHT - 5.0) text-anchor=(["start", "middle", "middle", "end"][n]) { (label(back)) }
                }
                line.axis x1=(LEFT) x2=(RIGHT) y1=(BOTTOM) y2=(BOTTOM) {}
                @if is_empty {
                    text.empty x=((LEFT + RIGHT) / 2.0) y=((TOP + BOTTOM) / 2.0) { "nothing yet" }
                }
                (drawing)
            }
            ul.legend {
                @for (class, text) in legend {
                    li {
                        svg viewBox="0 0 12 12" aria-hidden="true" { rect class=(class) width="12" height="12" rx="3" {} }
                        (text)
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_stacked_without_gaps() {
        let parts = stacked(&[3, 0, 2, 1]);

        assert_eq!(parts, [(0, Ending::Applied, 3), (3, Ending::Refused, 2), (5, Ending::Failed, 1)]);
    }
}
