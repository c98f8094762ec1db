//! The operator's page in HTML. Each part that changes is marked, so that the script can exchange it.

use std::time::{Duration, UNIX_EPOCH};

use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

use crate::{
    actors::{
        chronicler::{Ending, Happened},
        reconciler::members::{Member, PartState},
    },
    http::{
        assets::{ICON, SCRIPT, STYLE},
        session::Operator,
    },
    metrics::Metric,
    plot,
};

use super::{
    overview::{Overview, Problem},
    plots,
};

/// How often a browser that runs no script loads the page anew, in seconds: seldom enough to read it.
const REFRESH_WITHOUT_SCRIPT: u64 = 30;

/// The whole page.
pub fn page(overview: &Overview) -> Markup {
    let (tone, headline) = headline(overview);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                link rel="icon" href=(ICON.path);
                link rel="stylesheet" href=(STYLE.path);
                script src=(SCRIPT.path) defer {}
                noscript { meta http-equiv="refresh" content=(REFRESH_WITHOUT_SCRIPT); }
                title { (headline) " · Statusinator" }
            }
            body {
                (top(overview))
                main {
                    section #state class={ "state card " (tone) } data-live { (state(overview, headline)) }
                    p #contact.note role="alert" {}
                    section #problems data-live aria-label="What is wrong" { (problems(&overview.problems)) }
                    section #figures data-live aria-label="Figures" { (figures(overview)) }
                    section #plots data-live aria-labelledby="plots-title" { (all_plots(overview)) }
                    div.two {
                        section #changes data-live aria-labelledby="changes-title" { (changes(overview)) }
                        section #members data-live aria-labelledby="members-title" { (members(overview)) }
                    }
                    section #actors data-live aria-labelledby="actors-title" { (actors(overview)) }
                }
                footer { p { "Statusinator " (env!("CARGO_PKG_VERSION")) ". A request is found in the log by its UUID." } }
            }
        }
    }
}

fn headline(overview: &Overview) -> (&'static str, &'static str) {
    let is_bad = overview.problems.iter().any(|problem| problem.is_bad);
    match overview.readiness.status {
        "starting" => ("warn", "Starting"),
        "draining" => ("warn", "Stopping"),
        "ready" if is_bad => ("bad", "It runs, but something is wrong"),
        "ready" if !overview.problems.is_empty() => ("warn", "It works, with a note"),
        "ready" => ("good", "All is well"),
        _ => ("bad", "Something is broken"),
    }
}

fn top(overview: &Overview) -> Markup {
    let who = match &overview.viewer.operator {
        Operator::Administrator(user) => user.as_str(),
        Operator::KeyHolder => "the key's holder",
    };
    html! {
        header.top {
            p.brand { img src=(ICON.path) alt=""; "Statusinator" }
            div.who {
                "Signed in as " (who)
                form method="post" action="/signout" {
                    input type="hidden" name="token" value=(overview.viewer.sign_out_token);
                    button.button { "Sign out" }
                }
            }
        }
    }
}

fn state(overview: &Overview, headline: &str) -> Markup {
    html! {
        h1 { (headline) }
        p {
            @if let Some(team) = &overview.team { "Workspace " (team) ", up " } @else { "Workspace not known yet, up " }
            (span(overview.uptime))
        }
        p.note {
            "As of " (moment(overview.now)) " UTC. "
            noscript { "Loaded anew every " (REFRESH_WITHOUT_SCRIPT) " s. " }
        }
    }
}

fn problems(problems: &[Problem]) -> Markup {
    html! {
        @if !problems.is_empty() {
            ul.problems {
                @for problem in problems {
                    li class={ "problem " (if problem.is_bad { "bad" } else { "warn" }) } {
                        p.what { (sentence(&problem.what)) }
                        @if let Some(todo) = &problem.todo { p.todo { (sentence(todo)) } }
                    }
                }
            }
        }
    }
}

/// Problems are told as in the log, in lower case; names of settings and methods stay as they are.
fn sentence(text: &str) -> String {
    let first = text.split([' ', ':']).next().unwrap_or_default();
    let is_name = first.contains(['.', '_']);
    let mut letters = text.chars();
    match letters.next() {
        Some(letter) if !is_name => letter.to_uppercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

fn figures(overview: &Overview) -> Markup {
    let queue = overview.readiness.actors.get("request_queue").unwrap_or(&Value::Null);
    let depth = |key: &str| queue[key].as_u64();
    let whole = overview.lately.whole();
    let typical = whole.requests.quantile(0.5).map_or_else(|| "–".to_owned(), plot::duration);
    html! {
        dl.tiles {
            (tile("On standby", depth("standby"), Some(overview.queue.capacity)))
            (tile("Dead letters", depth("dead_letters"), Some(overview.queue.dead_letter_capacity)))
            (tile("Being worked on", depth("working"), Some(overview.queue.workers)))
            (tile("Waiting for a limit", depth("put_off"), None))
            (tile("Members onboarded", overview.members.as_ref().map(|members| members.total as u64), None))
            div.tile.card { dt { "Typical request" } dd { (typical) } }
        }
    }
}

fn tile(name: &str, value: Option<u64>, of: Option<usize>) -> Markup {
    html! {
        div.tile.card {
            dt { (name) }
            dd {
                @match value { Some(value) => (value), None => "–" }
                @if let Some(of) = of { small { " of " (of) } }
            }
            @if let (Some(value), Some(of)) = (value, of) {
                @let level = (100 * value / (of as u64).max(1)).min(100);
                svg class={ "gauge" (if level >= 100 { " full" } else { "" }) } viewBox="0 0 100 6" preserveAspectRatio="none"
                    aria-hidden="true" {
                    rect.ground width="100" height="6" rx="3" {}
                    rect.level width=(level) height="6" rx="3" {}
                }
            }
        }
    }
}

fn all_plots(overview: &Overview) -> Markup {
    let lately = &overview.lately;
    html! {
        h2 #plots-title { "The last " (lately.span()) }
        div.plots {
            (plots::endings(lately))
            (plots::durations("Requests, from event to end", "requests", Metric::RequestLifecycleDuration, lately, |it| &it.requests))
            (plots::durations("Slack", "calls of Slack", Metric::SlackApiLatency, lately, |it| &it.slack))
            (plots::queues(lately, overview.queue))
            (plots::durations("Store", "reads of the store", Metric::S3FetchLatency, lately, |it| &it.store))
        }
    }
}

fn changes(overview: &Overview) -> Markup {
    let endings = overview.chronicle.as_ref().map(|chronicle| chronicle.endings.as_slice());
    html! {
        h2 #changes-title { "Last changes" }
        div.card {
            @match endings {
                None => p.nothing { "What happened is not known: nobody answers." },
                Some([]) => p.nothing { "Nothing has changed since the service started." },
                Some(endings) => ol { @for (at, happened) in endings { (change(*at, happened, overview.now)) } },
            }
        }
    }
}

fn change(at: u64, happened: &Happened, now: u64) -> Markup {
    html! {
        li.change {
            time datetime=(rfc3339(at)) title=(rfc3339(at)) { (ago(at, now)) }
            p.what { (happened.user) "’s " (happened.part.as_str()) " " (pill(happened.ending)) }
            code.request title="The request, as the log names it" { (happened.request) }
            @if let Some(why) = &happened.why { p.why { (sentence(why)) } }
        }
    }
}

fn pill(ending: Ending) -> Markup {
    html! { span class={ "pill " (ending.as_str()) } { (ending.as_str()) } }
}

fn members(overview: &Overview) -> Markup {
    html! {
        h2 #members-title { "Members" }
        div.card {
            @match &overview.members {
                None => p.nothing { "How the members stand is not known: nobody answers." },
                Some(members) if members.total == 0 => p.nothing { "Nobody is onboarded yet." },
                Some(members) => {
                    table.members {
                        thead { tr { th scope="col" { "Member and status" } th scope="col" { "Name" } th scope="col" { "Picture" } } }
                        tbody { @for member in &members.rows { (row(member)) } }
                    }
                    @if members.rows.len() < members.total {
                        p.more.note { "and " (members.total - members.rows.len()) " more, of whom nothing worse is to be told" }
                    }
                }
            }
        }
    }
}

fn row(member: &Member) -> Markup {
    let cell = |state: PartState| {
        html! { td { @match state {
            PartState::Ended(ending) => (pill(ending)),
            PartState::Open => span.pill { "open" },
            PartState::Unwanted => span.note { "left alone" },
        } } }
    };
    html! {
        tr {
            th scope="row" {
                (member.user)
                @if let Some(label) = &member.label { span.label { (label) } }
                span.label { @match &member.emoji { Some(emoji) => (emoji), None => "not seen yet" } }
            }
            (cell(member.parts[0]))
            (cell(member.parts[1]))
        }
    }
}

fn actors(overview: &Overview) -> Markup {
    html! {
        h2 #actors-title { "Parts of the service" }
        div.actors {
            @for (name, snapshot) in &overview.readiness.actors {
                @let restarts = snapshot["restarts"].as_u64().unwrap_or_default();
                @let answers = snapshot["answers"].as_bool().unwrap_or_default();
                article.actor.card {
                    h3 {
                        (words(name))
                        @if !answers { span.pill.bad { "does not answer" } }
                        @else if restarts == 0 { span.pill.good { "works" } }
                        @else { span.pill.warn { "works, restarted " (restarts) "×" } }
                    }
                    dl { @for (key, value) in snapshot.as_object().into_iter().flatten() {
                        @if !matches!(key.as_str(), "restarts" | "answers") { (figure(key, value)) }
                    } }
                }
            }
        }
    }
}

fn figure(key: &str, value: &Value) -> Markup {
    const AGO: &str = "_seconds_ago";
    let (name, text) = match (key.strip_suffix(AGO), value.as_u64()) {
        (Some(key), Some(seconds)) => (key, format!("{} ago", span(seconds))),
        (Some(key), None) => (key, text(value)),
        (None, _) => (key, text(value)),
    };
    html! { dt { (words(name)) } dd { (text) } }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Bool(is_so) => if *is_so { "yes" } else { "no" }.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "none".to_owned(),
        Value::Object(values) if values.is_empty() => "none".to_owned(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Object(values) => {
            values.iter().map(|(key, value)| format!("{key}: {}", text(value))).collect::<Vec<_>>().join(", ")
        }
    }
}

/// `request_queue` is "Request queue".
fn words(name: &str) -> String {
    sentence(&name.replace('_', " "))
}

fn rfc3339(unix: u64) -> String {
    let at = UNIX_EPOCH.checked_add(Duration::from_secs(unix)).unwrap_or(UNIX_EPOCH);
    humantime::format_rfc3339_seconds(at).to_string()
}

/// The time of day.
fn moment(unix: u64) -> String {
    let text = rfc3339(unix);
    text.get(11..19).unwrap_or_default().to_owned()
}

fn ago(at: u64, now: u64) -> String {
    match now.saturating_sub(at) {
        0 => "just now".to_owned(),
        seconds => format!("{} ago", span(seconds)),
    }
}

/// A span of seconds in its largest unit.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn spans_and_moments_are_written_for_people() {
        assert_eq!([5, 60, 7_199, 172_799, 172_800].map(span), ["5 s", "1 min", "1 h", "47 h", "2 days"]);
        assert_eq!((moment(1_700_000_000).as_str(), ago(7, 7).as_str()), ("22:13:20", "just now"));
    }

    #[test]
    fn a_problem_begins_with_a_capital_unless_a_name_begins_it() {
        assert_eq!(sentence("this clock is wrong"), "This clock is wrong");
        assert_eq!(sentence("users.json cannot be read"), "users.json cannot be read");
        assert_eq!(sentence("missing_scope: he authorises again"), "missing_scope: he authorises again");
    }

    #[test]
    fn any_figure_of_an_actor_can_be_shown() {
        let shown = |key: &str, value: Value| figure(key, &value).into_string();

        assert_eq!(shown("pass_running", json!(false)), "<dt>Pass running</dt><dd>no</dd>");
        assert_eq!(
            shown("last_pass_began_seconds_ago", json!(90)),
            "<dt>Last pass began</dt><dd>1 min ago</dd>"
        );
        assert_eq!(shown("last_pass_began_seconds_ago", json!(null)), "<dt>Last pass began</dt><dd>–</dd>");
        assert_eq!(shown("paused", json!([])), "<dt>Paused</dt><dd>none</dd>");
        assert_eq!(shown("paused", json!({})), "<dt>Paused</dt><dd>none</dd>");
        assert_eq!(shown("paused", json!({ "users.list": 5 })), "<dt>Paused</dt><dd>users.list: 5</dd>");
        assert_eq!(
            shown("paused", json!(["users.list", "<b>"])),
            "<dt>Paused</dt><dd>users.list, &lt;b&gt;</dd>"
        );
    }
}
