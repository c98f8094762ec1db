//! Logs: to stdout for people or machines, and as JSON lines into a file.
//!
//! A line is filtered by its level before it is handed to the writing threads ([`channel`]), one for stdout and one for the
//! file, over bounded channels whose losses are counted and said: who does not read stdout holds up nothing else. What dependencies log comes along ([`bridge`]). Values from outside pass through [`escape`];
//! tokens, e-mails, status texts and names never get here.

pub mod bridge;
pub mod channel;

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use slog::{Discard, Drain, FnValue, Level, Logger, Record, info, o};
use slog_async::AsyncGuard;

use crate::{
    config::{LogConfig, LogFormat},
    spool::Spool,
};

use channel::Channel;

/// At the end, stdout's reader has so long to take what is left; the file has as long as it needs.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(1);

/// The running log. Lines are written until it is dropped, which waits for those that are under way.
pub struct Logs {
    /// The root logger.
    pub log: Logger,
    /// What the running service does with its log.
    pub handle: LogHandle,
    to_stdout: Option<AsyncGuard>,
    _to_file: AsyncGuard,
}

impl Drop for Logs {
    fn drop(&mut self) {
        if !self.handle.stdout.flush_now(LAST_LINES_WITHIN) {
            // Its thread hangs in a write that nobody reads; to wait for it would be to wait for ever.
            mem::forget(self.to_stdout.take());
        }
    }
}

/// What the running service does with its log, beside writing lines.
#[derive(Debug, Clone)]
pub struct LogHandle {
    /// The files of it.
    pub spool: Spool,
    /// How lines get there.
    pub file: Arc<Channel>,
    /// How lines get to stdout.
    pub stdout: Arc<Channel>,
    configured: Level,
}

impl LogHandle {
    /// Switches debug lines on, or off if they are on.
    pub fn toggle_debug(&self, log: &Logger) {
        if self.file.level().is_at_least(Level::Info) {
            self.switch_to(Level::Debug);
            info!(log, "debug lines are on; another SIGUSR1 switches them off");
        } else {
            // Said before the switch, so that it is heard whatever level follows.
            info!(log, "debug lines are off");
            let is_higher = self.configured.is_at_least(Level::Info);
            self.switch_to(if is_higher { self.configured } else { Level::Info });
        }
    }

    fn switch_to(&self, level: Level) {
        self.file.set_level(level);
        self.stdout.set_level(level);
        bridge::set_level(level);
    }
}

/// Starts the log: to stdout, and to the spool.
pub fn start(config: LogConfig, spool: Spool) -> Logs {
    let to_stdout: Box<dyn Drain<Ok = (), Err = slog::Never> + Send> = match config.format {
        LogFormat::Json => Box::new(Mutex::new(json(io::stdout())).map(ignore_errors)),
        LogFormat::Term => Box::new(Mutex::new(term()).map(ignore_errors)),
    };
    let to_file = Mutex::new(json(ToSpool { spool: spool.clone(), line: Vec::new() })).map(ignore_errors);
    let (stdout, to_stdout, stdout_guard) = Channel::start(to_stdout.ignore_res(), config.level);
    let (file, to_file, file_guard) = Channel::start(to_file.ignore_res(), config.level);
    let log = Logger::root(slog::Duplicate::new(to_stdout, to_file).ignore_res(), o!());
    bridge::install(log.clone(), config.level);
    let handle = LogHandle { spool, file, stdout, configured: config.level };
    Logs { log, handle, to_stdout: Some(stdout_guard), _to_file: file_guard }
}

/// Gathers a line, which is appended whole.
struct ToSpool {
    spool: Spool,
    line: Vec<u8>,
}

impl Write for ToSpool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.spool.append(&self.line);
        self.line.clear();
        written
    }
}

/// A log that cannot be written must not stop the service; the other place still has the line.
fn ignore_errors<D: Drain>(drain: D) -> slog::IgnoreResult<D> {
    slog::IgnoreResult::new(drain)
}

fn term() -> slog_term::FullFormat<slog_term::TermDecorator> {
    let decorator = slog_term::TermDecorator::new().stdout().build();
    let timestamp = |to: &mut dyn Write| write!(to, "{}", now());
    slog_term::FullFormat::new(decorator).use_custom_timestamp(timestamp).use_original_order().build()
}

fn json<W: Write>(to: W) -> slog_json::Json<W> {
    slog_json::Json::new(to)
        .set_newlines(true)
        .set_flush(true)
        // One call each: the pairs of one list are written last to first.
        .add_key_value(o!("ts" => FnValue(|_| now())))
        .add_key_value(o!("level" => FnValue(|record| level_name(record.level()))))
        .add_key_value(o!("msg" => FnValue(|record| record.msg().to_string())))
        .build()
}

/// The time as RFC 3339 has it, in UTC, to the millisecond.
fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Critical => "critical",
        Level::Error => "error",
        Level::Warning => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// Text from outside, made safe for a log line: escaped, 200 characters at most.
pub fn escape(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

/// A logger that says nothing.
pub fn silent() -> Logger {
    Logger::root(Discard, o!())
}

/// Lines that were caught, as JSON objects.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// All lines so far.
    pub fn all(&self) -> Vec<serde_json::Value> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A logger whose lines, from debug on, can be looked at.
pub fn captured() -> (Logger, Lines) {
    let lines = Lines::default();
    let drain = Mutex::new(json(lines.clone())).map(ignore_errors);
    let filtered = drain.filter(|record: &Record<'_>| record.level().is_at_least(Level::Debug));
    (Logger::root(filtered.ignore_res(), o!()), lines)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use slog::warn;

    use super::*;
    use crate::spool::Kind;

    #[test]
    fn a_line_has_its_time_level_and_message_and_then_its_values() {
        let (log, lines) = captured();

        warn!(log.new(o!("request" => "r1")), "part refused"; "error" => escape("a\"\n"));

        let line = &lines.all()[0];
        assert_eq!(
            (&line["level"], &line["msg"], &line["request"]),
            (&"warn".into(), &"part refused".into(), &"r1".into())
        );
        assert!(
            line["ts"].as_str().is_some_and(|ts| ts.ends_with('Z') && humantime::parse_rfc3339(ts).is_ok())
        );
        assert_eq!(line["error"], r#"a\"\n"#);
    }

    #[test]
    fn text_from_outside_is_cut_at_200_characters() {
        assert_eq!(escape(&"ä".repeat(300)).chars().count(), 200);
    }

    #[test]
    fn the_file_has_json_lines_from_the_level_on_and_debug_lines_can_be_switched_on_and_off() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), Kind::Logs, 1 << 20).unwrap();
        let logs = start(LogConfig { level: Level::Warning, format: LogFormat::Json }, spool);
        let say = || {
            slog::debug!(logs.log, "detail");
            info!(logs.log, "left out");
            warn!(logs.log, "kept");
        };

        say();
        logs.handle.toggle_debug(&logs.log);
        say();
        logs.handle.toggle_debug(&logs.log);
        say();
        drop(logs);

        let text = std::fs::read_to_string(folder.path().join("logs/statusinator.jsonl")).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let said: Vec<&str> = lines.iter().filter_map(|line| line["msg"].as_str()).collect();
        let on = "debug lines are on; another SIGUSR1 switches them off";
        assert_eq!(said, ["kept", on, "detail", "left out", "kept", "debug lines are off", "kept"]);
    }

    #[test]
    fn who_logs_debug_lines_anyway_can_switch_them_off() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), Kind::Logs, 1 << 20).unwrap();
        let logs = start(LogConfig { level: Level::Trace, format: LogFormat::Json }, spool);

        logs.handle.toggle_debug(&logs.log);
        assert_eq!(logs.handle.file.level(), Level::Info);
        logs.handle.toggle_debug(&logs.log);

        assert_eq!(logs.handle.file.level(), Level::Debug);
    }
}
