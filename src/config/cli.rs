//! The command line: commands, and a flag for every setting that is no secret.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};
use url::Url;

use crate::commands::{
    health::Question,
    onboard::run::Options,
    report::{Input, ReportOptions},
};

use super::{
    read::public_address,
    settings::{SETTINGS, Setting},
    sources::Texts,
};

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// `serve`, with the settings given as flags.
    Serve(Texts),
    /// `demo`; with `--once` it plays the scenario and ends.
    Demo {
        /// Whether to play the scenario and end.
        once: bool,
    },
    /// `check`, with the settings given as flags.
    Check(Texts),
    /// `health`; with `--ready` it asks whether the service does its work.
    Health {
        /// The settings given as flags.
        flags: Texts,
        /// What to ask.
        question: Question,
    },
    /// `manifest`.
    Manifest {
        /// Where Slack and browsers reach the service.
        public: Url,
    },
    /// `onboard`.
    Onboard {
        /// The settings given as flags.
        flags: Texts,
        /// What to do.
        options: Options,
    },
    /// `metrics report`.
    Report(ReportOptions),
}

/// The command line's grammar.
pub fn command() -> Command {
    Command::new("statusinator")
        .about("Sets Slack members' names and pictures to the pair that each keeps for his status emoji")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(false)
        .subcommand(serve())
        .subcommand(demo())
        .subcommand(check())
        .subcommand(health())
        .subcommand(manifest())
        .subcommand(onboard())
        .subcommand(metrics())
}

fn serve() -> Command {
    let flags = SETTINGS.iter().filter(|setting| !setting.is_secret).map(flag);
    Command::new("serve")
        .about("Runs the service until SIGTERM or SIGINT, then finishes what it accepted")
        .args(flags)
        .after_help(secrets())
}

fn demo() -> Command {
    Command::new("demo")
        .about("Runs the service against a simulated Slack, without any setting")
        .long_about(
            "Runs the service against a simulated Slack workspace in the same process, on a temporary folder and without \
             any setting. Prints the address of a page on which to pick a member and an emoji and to watch his name and \
             picture change.",
        )
        .arg(
            Arg::new("once")
                .long("once")
                .action(ArgAction::SetTrue)
                .help("Plays a scenario in the terminal and ends; exit status 0 only if every profile ended as its preset says"),
        )
}

fn check() -> Command {
    let flags = SETTINGS.iter().filter(|setting| !setting.is_secret).map(flag);
    Command::new("check")
        .about("Tries the tokens, the store and the roles; says of each what to do if it fails")
        .long_about(
            "Tries both tokens and their scopes, the store, its roles, the vault's key, and this machine's clock against \
             Slack's. Prints a line each: ok, or what to do. Takes the settings of serve; changes nothing but objects below check/ in the \
             store, which it removes. Exit status 1 when something failed.",
        )
        .args(flags)
        .after_help(secrets())
}

fn health() -> Command {
    Command::new("health")
        .about("Asks the running service whether it serves; exit status 0 for yes, 1 for no")
        .arg(
            Arg::new("ready")
                .long("ready")
                .action(ArgAction::SetTrue)
                .help("Asks whether it does its work; if not, says why"),
        )
        .args(SETTINGS.iter().filter(|setting| setting.variable == "STATUSINATOR_BIND").map(flag))
}

fn manifest() -> Command {
    let address = |text: &str| {
        public_address(text).ok_or("allowed: an https address, or http on loopback, without query")
    };
    Command::new("manifest")
        .about("Prints the Slack app's manifest; its first line is the link that creates the app from it")
        .arg(
            Arg::new("url")
                .long("url")
                .value_name("URL")
                .required(true)
                .value_parser(address)
                .help("Where Slack and browsers will reach the service (STATUSINATOR_PUBLIC_URL)"),
        )
}

fn onboard() -> Command {
    let setting = |name| SETTINGS.iter().filter(move |setting| setting.variable == name);
    let switch = |name, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    Command::new("onboard")
        .about("Gives members the presets that a file has for them")
        .long_about(
            "Gives members the presets that a file has for them, pictures included. Shows first what differs from what \
             they have, and sends only that; members whom the file does not name stay as they are. Doing it again \
             changes nothing. Exit status 2 when a setting or the file is wrong, 1 when the service does not do it.",
        )
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .value_parser(clap::value_parser!(PathBuf))
                .help("The presets, in TOML or JSON: see \"Onboard many\" in the README"),
        )
        .arg(switch("dry-run", "Only shows what differs"))
        .arg(switch("all", "Sends also what does not differ: every member and every picture of the file"))
        .args(setting("STATUSINATOR_PUBLIC_URL").map(|setting| {
            let url = flag(setting).long("url").value_name("URL");
            url.help(format!("Where the service is: https, or http on loopback\n[env: {}]", setting.variable))
        }))
        .args(setting("STATUSINATOR_NAME_FIELD").map(flag))
        .after_help(format!(
            "The user token of an administrator of the workspace comes from SLACK_ADMIN_TOKEN, or from the file that \
             SLACK_ADMIN_TOKEN_FILE names; it has no flag.\n\n{ORDER}"
        ))
}

fn metrics() -> Command {
    let report = Command::new("report")
        .about("Prints percentiles of every metric and writes a plot")
        .long_about(
            "Prints percentiles of every metric and writes a plot, from CSV files as the service writes them, plain or \
             gzipped. A bucket is read with your own AWS credentials; AWS_REGION must be set, and AWS_ENDPOINT_URL_S3 if \
             it is not AWS's own. Exit status 2 when a file is not there, 1 when there is no sample.",
        )
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .num_args(1..)
                .value_parser(Input::parse)
                .help("A file, a folder, or s3://BUCKET/ and the beginning of objects' names"),
        )
        .arg(
            Arg::new("svg")
                .long("svg")
                .value_name("PATH")
                .default_value("metrics.svg")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Where the plot is written"),
        );
    Command::new("metrics").about("Looks into recorded metrics").subcommand_required(true).subcommand(report)
}

fn flag(setting: &Setting) -> Arg {
    let default = setting.default.map(|default| format!("[default: {default}] ")).unwrap_or_default();
    Arg::new(setting.variable)
        .long(setting.flag())
        .value_name("VALUE")
        .help(format!("{}\n{default}[env: {}]", setting.help, setting.variable))
}

const ORDER: &str = "Flags go before the environment, the environment before .env in the working folder.";

/// Secrets have no flag; the help names their variables.
fn secrets() -> String {
    let lines = SETTINGS.iter().filter(|setting| setting.is_secret);
    let lines: String =
        lines.map(|setting| format!("  {:<24} {}\n", setting.variable, setting.help)).collect();
    format!(
        "Secrets come from the environment, or from the file that the variable with _FILE at its end names:\n{lines}\n{ORDER}"
    )
}

/// What the command line asks for.
pub fn asked(matches: &ArgMatches) -> Asked {
    match matches.subcommand() {
        Some(("demo", demo)) => Asked::Demo { once: demo.get_flag("once") },
        Some(("check", check)) => Asked::Check(flags(check)),
        Some(("health", health)) => Asked::Health {
            flags: flags(health),
            question: if health.get_flag("ready") { Question::Ready } else { Question::Serves },
        },
        Some(("manifest", manifest)) if let Some(public) = manifest.get_one::<Url>("url") => {
            Asked::Manifest { public: public.clone() }
        }
        Some(("onboard", onboard)) => Asked::Onboard {
            flags: flags(onboard),
            options: Options {
                file: onboard.get_one::<PathBuf>("file").cloned().unwrap_or_default(),
                dry_run: onboard.get_flag("dry-run"),
                all: onboard.get_flag("all"),
            },
        },
        Some(("metrics", metrics)) => Asked::Report(report_options(metrics)),
        Some((_, serve)) => Asked::Serve(flags(serve)),
        None => Asked::Serve(Texts::new()),
    }
}

fn report_options(metrics: &ArgMatches) -> ReportOptions {
    let report = metrics.subcommand_matches("report");
    let inputs = report.and_then(|report| report.get_many::<Input>("file"));
    let svg = report.and_then(|report| report.get_one::<PathBuf>("svg"));
    ReportOptions {
        inputs: inputs.into_iter().flatten().cloned().collect(),
        svg: svg.cloned().unwrap_or_default(),
    }
}

/// The settings given as flags; a command has not all of them.
fn flags(matches: &ArgMatches) -> Texts {
    let given = SETTINGS.iter().filter_map(|setting| {
        let text = matches.try_get_one::<String>(setting.variable).ok()??;
        Some((setting.variable.to_owned(), text.clone()))
    });
    given.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn a_flag_becomes_its_settings_text() {
        let matches =
            command().try_get_matches_from(["statusinator", "serve", "--queue-capacity", "3"]).unwrap();

        let Asked::Serve(flags) = asked(&matches) else { unreachable!("serve was asked for") };

        assert_eq!(flags["STATUSINATOR_QUEUE_CAPACITY"], "3");
    }

    #[test]
    fn secrets_have_no_flag() {
        assert!(command().try_get_matches_from(["statusinator", "serve", "--slack-bot-token", "x"]).is_err());
    }
}
