//! Records of dependencies, which they write with the `log` crate, become lines of our log.

use log::{LevelFilter, Metadata, Record};
use slog::{Level, Logger, debug, error, info, trace, warn};

use super::escape;

/// Below info these print credentials: rusoto the requests it signs, hyper what it sends.
const CAPPED_AT_INFO: [&str; 2] = ["rusoto", "hyper"];

/// What it says at its start and stop for information, our own lines say as well.
const SAYS_WHAT_WE_SAY: &str = "actix_server";

/// Hands dependencies' records on to the logger. Works once a process; a second logger gets none.
pub fn install(log: Logger, level: Level) {
    if log::set_boxed_logger(Box::new(Bridge { log })).is_ok() {
        set_level(level);
    }
}

/// Lets dependencies skip what would not be logged anyway.
pub fn set_level(level: Level) {
    log::set_max_level(match level {
        Level::Critical | Level::Error => LevelFilter::Error,
        Level::Warning => LevelFilter::Warn,
        Level::Info => LevelFilter::Info,
        Level::Debug => LevelFilter::Debug,
        Level::Trace => LevelFilter::Trace,
    });
}

struct Bridge {
    log: Logger,
}

impl log::Log for Bridge {
    fn enabled(&self, of: &Metadata<'_>) -> bool {
        of.level() <= log::Level::Info || !CAPPED_AT_INFO.iter().any(|name| of.target().starts_with(name))
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let (target, text) = (escape(record.target()), escape(&record.args().to_string()));
        let log = &self.log;
        match record.level() {
            log::Level::Error => error!(log, "a dependency says"; "text" => text, "target" => target),
            log::Level::Warn => warn!(log, "a dependency says"; "text" => text, "target" => target),
            log::Level::Info if target.starts_with(SAYS_WHAT_WE_SAY) => {
                debug!(log, "a dependency says"; "text" => text, "target" => target);
            }
            log::Level::Info => info!(log, "a dependency says"; "text" => text, "target" => target),
            log::Level::Debug => debug!(log, "a dependency says"; "text" => text, "target" => target),
            log::Level::Trace => trace!(log, "a dependency says"; "text" => text, "target" => target),
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use log::Log as _;

    use super::*;
    use crate::logging::captured;

    fn says(bridge: &Bridge, target: &str, level: log::Level) {
        bridge.log(&Record::builder().target(target).level(level).args(format_args!("x\n")).build());
    }

    #[test]
    fn what_dependencies_say_is_escaped_and_has_their_name() {
        let (log, lines) = captured();
        let bridge = Bridge { log };

        says(&bridge, "actix_server::worker", log::Level::Info);
        says(&bridge, "awc::client", log::Level::Info);

        let levels: Vec<_> = lines.all().iter().map(|line| line["level"].clone()).collect();
        let line = &lines.all()[1];
        assert_eq!(levels, ["debug", "info"]);
        assert_eq!((&line["target"], &line["text"]), (&"awc::client".into(), &"x\\n".into()));
    }

    #[test]
    fn what_may_hold_credentials_is_left_out() {
        let (log, lines) = captured();
        let bridge = Bridge { log };

        for target in ["rusoto_core::request", "rusoto_credential", "hyper::proto::h1::io"] {
            says(&bridge, target, log::Level::Debug);
            says(&bridge, target, log::Level::Trace);
            says(&bridge, target, log::Level::Info);
        }

        assert_eq!(lines.all().len(), 3);
        assert!(lines.all().iter().all(|line| line["level"] == "info"));
    }
}
