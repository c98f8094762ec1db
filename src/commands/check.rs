//! `statusinator check`: tries what the service will need of Slack and of the store, and says what to do about what
//! fails. It changes nothing but objects below `check/`, which it removes.

mod store;
mod tokens;

use std::io::Write as _;

use crate::{
    app::AppError,
    clock::Clock,
    config::Config,
    slack::{HttpTransport, WebApi},
    storage::Stores,
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
    let api = WebApi::new(std::rc::Rc::new(HttpTransport::new(&config.slack.api_url)));
    let mut findings = Vec::new();
    for finding in tokens::check(&api, &config.slack, Clock::System.unix()).await {
        told(finding, &mut findings);
    }
    match Stores::open(&config.store, Clock::System) {
        Ok(stores) => {
            for finding in store::check(&stores, &config.store).await {
                told(finding, &mut findings);
            }
        }
        Err(error) => told(Finding::new("STATUSINATOR_STORE", Err(error.to_string())), &mut findings),
    }
    let failed = findings.iter().filter(|finding| finding.outcome.is_err()).count();
    if failed > 0 {
        let all = findings.len();
        return Err(AppError::Failed(anyhow::anyhow!("{failed} of {all} checks failed")));
    }
    Ok(())
}

fn told(finding: Finding, findings: &mut Vec<Finding>) {
    // Who reads it may have seen enough; the exit status tells the rest.
    let _ = writeln!(std::io::stdout(), "{}", finding.line());
    findings.push(finding);
}
