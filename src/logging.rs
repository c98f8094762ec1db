//! Logs: to stdout for people or machines, and as JSON lines into a file.
//!
//! A line is filtered by its level before it is handed to the writing thread, over a bounded channel whose losses are
//! counted and said. Values from outside pass through [`escape`]; tokens, e-mails, status texts and names never get
//! here.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{self, LineWriter, Write},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use slog::{Discard, Drain, FnValue, Level, Logger, Record, o};
use slog_async::OverflowStrategy;

use crate::config::{LogConfig, LogFormat};

/// So many lines wait to be written; more are dropped, and their number is logged.
const CHANNEL: usize = 8_192;

/// Makes the root logger: stdout, and `statusinator.jsonl` below the folder. Lines are written until the guard is
/// dropped, which waits for those that are under way.
///
/// # Errors
/// When the file cannot be opened.
pub fn start(config: LogConfig, folder: &Path) -> io::Result<(Logger, slog_async::AsyncGuard)> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let file =
        OpenOptions::new().append(true).create(true).mode(0o600).open(folder.join("statusinator.jsonl"))?;
    let to_stdout: Box<dyn Drain<Ok = (), Err = slog::Never> + Send> = match config.format {
        LogFormat::Json => Box::new(Mutex::new(json(io::stdout())).map(ignore_errors)),
        LogFormat::Term => Box::new(Mutex::new(term()).map(ignore_errors)),
    };
    let both = slog::Duplicate::new(to_stdout, Mutex::new(json(LineWriter::new(file))).map(ignore_errors))
        .ignore_res();
    let (writing, guard) = slog_async::Async::new(both)
        .chan_size(CHANNEL)
        .overflow_strategy(OverflowStrategy::DropAndReport)
        .build_with_guard();
    let level = config.level;
    let filtered = writing.filter(move |record| record.level().is_at_least(level));
    Ok((Logger::root(filtered.ignore_res(), o!()), guard))
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
mod tests {
    use slog::{info, warn};

    use super::*;

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
    fn the_file_has_json_lines_from_the_level_on() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let config = LogConfig { level: Level::Info, format: LogFormat::Json };
        let (log, guard) = start(config, folder.path())?;

        info!(log, "kept");
        slog::debug!(log, "left out");
        drop((log, guard));

        let text = std::fs::read_to_string(folder.path().join("statusinator.jsonl"))?;
        assert!(text.contains(r#""msg":"kept""#) && !text.contains("left out"), "{text}");
        Ok(())
    }
}
