//! What a run shows: its result on stdout, all that passes on stderr.
//!
//! For people at a terminal there are colours and a bar; a pipe gets plain lines.

use std::{
    cell::RefCell,
    fmt::Display,
    io::{self, IsTerminal, Write as _},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Gives text its colour, or leaves it plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// As it is.
    Plain,
    /// With the escape sequences that terminals know.
    Coloured,
}

impl Paint {
    /// Colours for a terminal, unless `NO_COLOR` is set (<https://no-color.org>) or it knows none.
    fn on(stream: &impl IsTerminal) -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        if stream.is_terminal() && !is_set("NO_COLOR") && !is_dumb { Self::Coloured } else { Self::Plain }
    }

    /// What comes.
    pub fn green(self, text: impl Display) -> String {
        self.paint("32", text)
    }

    /// What changes, and warnings.
    pub fn yellow(self, text: impl Display) -> String {
        self.paint("33", text)
    }

    /// What goes.
    pub fn red(self, text: impl Display) -> String {
        self.paint("31", text)
    }

    /// What leads a paragraph.
    pub fn bold(self, text: impl Display) -> String {
        self.paint("1", text)
    }

    /// What matters less.
    pub fn dim(self, text: impl Display) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: impl Display) -> String {
        match self {
            Self::Plain => text.to_string(),
            Self::Coloured => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}

/// The terminal, or the pipes, that a run writes to.
pub struct Screen {
    /// The colours of what is said.
    pub paint: Paint,
    notes: Paint,
    progress: RefCell<Progress>,
}

/// How far the pictures are.
#[derive(Default)]
struct Progress {
    bar: Option<ProgressBar>,
    done: usize,
    all: usize,
}

impl Screen {
    /// The process's own stdout and stderr.
    pub fn of_process() -> Self {
        Self {
            paint: Paint::on(&io::stdout()),
            notes: Paint::on(&io::stderr()),
            progress: RefCell::default(),
        }
    }

    /// Writes a line of the result. A reader who went away does not stop the work.
    pub fn say(&self, line: impl Display) {
        let _ = writeln!(io::stdout(), "{line}");
    }

    /// Writes a line about what passes.
    pub fn note(&self, line: impl Display) {
        let write = || drop(writeln!(io::stderr(), "{line}"));
        match &self.progress.borrow().bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Writes a warning.
    pub fn warn(&self, line: impl Display) {
        self.note(format!("{} {line}", self.notes.yellow("warning:")));
    }

    /// From now on so many pictures are uploaded.
    pub fn begin_uploads(&self, all: usize) {
        let bar = (all > 0 && io::stderr().is_terminal()).then(|| bar(all, self.notes));
        *self.progress.borrow_mut() = Progress { bar, done: 0, all };
    }

    /// A picture is there.
    pub fn uploaded(&self, what: &str) {
        let mut progress = self.progress.borrow_mut();
        progress.done += 1;
        match &progress.bar {
            Some(bar) => {
                bar.inc(1);
                bar.set_message(what.to_owned());
            }
            None => drop(writeln!(io::stderr(), "uploaded {} of {}: {what}", progress.done, progress.all)),
        }
    }

    /// No more pictures come; the bar goes.
    pub fn end_uploads(&self) {
        if let Some(bar) = self.progress.take().bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(all: usize, paint: Paint) -> ProgressBar {
    let colour = if paint == Paint::Coloured { ".green" } else { "" };
    let template = format!("pictures {{bar:30{colour}}} {{pos}} of {{len}}  {{wide_msg}}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(all as u64), ProgressDrawTarget::stderr());
    bar.with_style(style.progress_chars("━╸─"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_as_it_is_and_coloured_text_ends_its_colour() {
        assert_eq!(Paint::Plain.green("+"), "+");
        assert_eq!(Paint::Coloured.green("+"), "\x1b[32m+\x1b[0m");
    }

    #[test]
    fn what_is_no_terminal_has_no_colours() -> io::Result<()> {
        assert_eq!(Paint::on(&tempfile::tempfile()?), Paint::Plain);
        Ok(())
    }

    #[test]
    fn the_bars_template_is_one() {
        for paint in [Paint::Plain, Paint::Coloured] {
            let bar = bar(3, paint);
            bar.inc(2);
            assert_eq!((bar.position(), bar.length()), (2, Some(3)));
        }
    }
}
