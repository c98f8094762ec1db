//! `statusinator check`: tries what the service will need of Slack and of the store, and says what to do about what
//! fails. It changes nothing but objects below `check/`, which it removes, as it does what opening a folder makes.

mod store;
mod tokens;
mod vault;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use crate::{
    app::AppError,
    clock::Clock,
    config::{Config, StoreConfig},
    slack::HttpTransport,
    storage::{LocalStorage, Stores},
};

/// What was tried, named by its setting, and how it went: what was found, or what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    about: &'static str,
    outcome: Result<String, String>,
}

impl Finding {
    fn new(about: &'static str, outcome: Result<String, String>) -> Self {
        Self { about, outcome }
    }

    /// One line of the terminal.
    fn line(&self) -> String {
        let (word, told) = match &self.outcome {
            Ok(found) => ("ok", found),
            Err(what_to_do) => ("FAILED", what_to_do),
        };
        format!("{word:<7} {:<28} {told}", self.about)
    }
}

/// Tries everything and prints a line each.
///
/// # Errors
/// [`AppError::Failed`] when something failed.
pub async fn check(config: &Config) -> Result<(), AppError> {
    let mut findings = Vec::new();
    for finding in tokens::check(HttpTransport::new(&config.slack.api_url), &config.slack).await {
        told(finding, &mut findings);
    }
    for finding in check_store(config).await {
        told(finding, &mut findings);
    }
    let failed = findings.iter().filter(|finding| finding.outcome.is_err()).count();
    if failed > 0 {
        let all = findings.len();
        return Err(AppError::Failed(anyhow::anyhow!("{failed} of {all} checks failed")));
    }
    Ok(())
}

async fn check_store(config: &Config) -> Vec<Finding> {
    let folder = match &config.store {
        StoreConfig::Folder(folder) => Some(folder),
        StoreConfig::Bucket(_) => None,
    };
    let made = folder.map(|folder| missing(folder)).unwrap_or_default();
    let was_marked = folder.is_some_and(|folder| LocalStorage::is_marked(folder));
    let findings = match Stores::open(&config.store, Clock::System) {
        Ok(stores) => {
            let mut findings = store::check(&stores, &config.store).await;
            findings.extend(vault::check(&*stores.read, config).await);
            findings
        }
        Err(error) => vec![Finding::new(store::STORE, Err(store::Failed::from(error).told(&config.store)))],
    };
    // Whoever runs this may be another user than the service's, whose folders they are to be.
    if let Some(folder) = folder.filter(|_| !was_marked) {
        LocalStorage::unmark(folder);
    }
    for folder in &made {
        // One that is no longer empty stays.
        let _ = std::fs::remove_dir(folder);
    }
    findings
}

/// The folder and its parents, as far as they are not there, the deepest first.
fn missing(folder: &Path) -> Vec<PathBuf> {
    let parents = folder.ancestors().filter(|path| !path.as_os_str().is_empty());
    parents.take_while(|path| !path.exists()).map(Path::to_owned).collect()
}

fn told(finding: Finding, findings: &mut Vec<Finding>) {
    // Who reads it may have seen enough; the exit status tells the rest.
    let _ = writeln!(std::io::stdout(), "{}", finding.line());
    findings.push(finding);
}
