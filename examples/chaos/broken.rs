//! Rules broken on purpose, to see that the simulation notices: a copy of the source has one place changed, is built,
//! and lives the same seeds.

use std::{
    fs, io,
    path::Path,
    process::{Command, ExitStatus},
};

/// A rule, and how it is broken.
pub struct Broken {
    /// Its name on the command line.
    pub name: &'static str,
    file: &'static str,
    rule: &'static str,
    instead: &'static str,
}

/// All that can be broken.
pub const RULES: [Broken; 5] = [
    Broken {
        name: "pass-after-503",
        file: "src/actors/request_queue.rs",
        rule: "self.parts.on_refused.do_send(PassDue)",
        instead: "()",
    },
    Broken {
        name: "confirmed-first",
        file: "src/request/parts.rs",
        rule: "        match part {\n            Part::Name =>",
        instead: "        self.end(part, wanted, How::Applied);\n        match part {\n            Part::Name =>",
    },
    Broken {
        name: "look-after-failure",
        file: "src/actors/reconciler/memory.rs",
        rule: "self.looks.plan(user, Why::Failed, now + agenda::repetition(*times));",
        instead: "let _ = (Why::Failed, agenda::repetition(*times));",
    },
    Broken {
        name: "slack-limits",
        file: "src/slack/limits.rs",
        rule: "{ 0 } else { 60 }",
        instead: "{ 0 } else { 20 }",
    },
    Broken {
        name: "newest-status",
        file: "src/actors/backlog.rs",
        rule: "Some(Status::Reading) => None,",
        instead: "Some(Status::Reading) => self.read.get(user).map(|(_, emoji)| emoji),",
    },
];

impl Broken {
    /// Whether the rule stands where it is looked for, once.
    pub fn stands(&self) -> bool {
        let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(self.file));
        source.is_ok_and(|source| source.matches(self.rule).count() == 1)
    }
}

/// Builds the service with a rule broken and lives so many seeds.
pub fn run(rule: &Broken, seeds: u64) -> io::Result<ExitStatus> {
    let (root, copy) = (Path::new(env!("CARGO_MANIFEST_DIR")), Path::new("target/broken"));
    let copy = root.join(copy);
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    for part in ["Cargo.toml", "Cargo.lock", "src", "examples", "benches/hot_path.rs", "benches/whole"] {
        copy_all(&root.join(part), &copy.join(part))?;
    }
    let file = copy.join(rule.file);
    let text = fs::read_to_string(&file)?;
    if !rule.stands() {
        return Err(io::Error::other(format!("{} no longer has {:?}", rule.file, rule.rule)));
    }
    fs::write(&file, text.replace(rule.rule, rule.instead))?;
    // A folder of its own: cargo takes the two packages for one, and the broken program for the whole one.
    Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--release", "--example", "chaos", "--", "--seeds", &seeds.to_string()])
        .current_dir(&copy)
        .env("CARGO_TARGET_DIR", root.join("target/broken-build"))
        .status()
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        fs::create_dir_all(to.parent().unwrap_or(to))?;
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy_all(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
