//! What stands around the program against the program: open paths against its routes, variables against its settings,
//! alerts and dashboard against its metrics.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use statusinator::{config::settings::SETTINGS, metrics::Registry};

const ROUTES: &str = include_str!("../src/http/mod.rs");
const CADDYFILE: &str = include_str!("../ops/compose/Caddyfile");
const LOAD_BALANCER: &str = include_str!("../infra/lib/door.ts");

/// For who runs the service: a proxy must not let them through.
const INSIDE: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// Files that set the service's settings.
const SETTING: [&str; 6] = [
    include_str!("../Dockerfile"),
    include_str!("../infra/lib/service.ts"),
    include_str!("../infra/lib/store.ts"),
    include_str!("../ops/compose/compose.yaml"),
    include_str!("../ops/compose/example.env"),
    include_str!("../ops/systemd/statusinator.service"),
];

const ALERTS: &str = include_str!("../ops/prometheus/alerts.yaml");
const DASHBOARD: &str = include_str!("../ops/grafana/dashboard.json");

/// The paths that the service's list of routes has.
fn routes() -> Vec<&'static str> {
    let path = |line: &'static str| Some(line.split_once("(\"")?.1.split_once("\", web::")?.0);
    ROUTES.lines().filter_map(path).collect()
}

fn caddys() -> Vec<&'static str> {
    CADDYFILE.split_once("@public path ").unwrap().1.lines().next().unwrap().split(' ').collect()
}

fn load_balancers() -> Vec<&'static str> {
    let list = LOAD_BALANCER.split_once("PUBLIC_PATHS = [").unwrap().1.split_once(']').unwrap().0;
    list.split(',').map(|path| path.trim().trim_matches('"')).collect()
}

fn lets_through(open: &[&str], path: &str) -> bool {
    open.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path == *pattern,
    })
}

#[test]
fn both_proxies_let_the_same_paths_through() {
    assert_eq!(caddys(), load_balancers());
}

#[test]
fn what_is_for_outside_comes_through_and_what_is_for_inside_does_not() {
    let (open, routes) = (caddys(), routes());

    assert!(routes.len() > INSIDE.len(), "{routes:?}");
    for path in routes {
        assert_eq!(lets_through(&open, path), !INSIDE.contains(&path), "{path}");
    }
}

#[test]
fn every_variable_that_is_set_is_a_setting() {
    let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
    let words = SETTING.iter().flat_map(|text| text.split(|c| !is_name(c)));
    let set: Vec<&str> =
        words.filter(|word| word.starts_with("STATUSINATOR_") || word.starts_with("SLACK_")).collect();

    assert!(set.len() > SETTING.len(), "{set:?}");
    for variable in set {
        assert!(SETTINGS.iter().any(|setting| setting.variable == variable), "{variable}");
    }
}

#[test]
fn every_metric_and_label_that_alerts_and_dashboard_ask_for_is_there() {
    let shown = Registry::new(&BTreeSet::new()).unwrap().text();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for text in [ALERTS, DASHBOARD] {
        let names: BTreeSet<&str> =
            text.split(|c| !is_name(c)).filter(|word| word.starts_with("statusinator_")).collect();
        assert!(names.len() > 8, "{names:?}");
        for name in names {
            let is_there = shown.lines().any(|line| line.split(['{', ' ']).next() == Some(name));
            assert!(is_there, "{name} is not in /metrics");
        }
        for asked in text.replace('\\', "").split("outcome").skip(1) {
            let Some(values) = asked.strip_prefix("=~\"").or_else(|| asked.strip_prefix("=\"")) else {
                continue;
            };
            for value in values.split('"').next().unwrap().split('|') {
                assert!(shown.contains(&format!("outcome=\"{value}\"")), "{value} is no outcome");
            }
        }
    }
}

#[test]
fn every_alert_is_tried_and_told_of_in_the_guide() {
    let tests = include_str!("../ops/prometheus/alerts.test.yaml");
    let guide = include_str!("../docs/operations.md");
    let alerts: Vec<&str> = ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();

    assert!(alerts.len() > 5, "{alerts:?}");
    for alert in alerts {
        assert!(tests.contains(&format!("- alertname: {alert}\n")), "{alert} is not tried");
        assert!(guide.contains(&format!("| `{alert}` |")), "{alert} is not in docs/operations.md");
    }
}
