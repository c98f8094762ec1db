//! Parses the command line, builds what it asks for, runs it.

use std::{io::Write as _, process::ExitCode};

use statusinator::{
    app::{self, AppError},
    commands::{
        check, health,
        health::Question,
        manifest::manifest,
        onboard::{self, run::Options, screen::Screen},
        report::{self, ReportOptions},
    },
    config::{
        cli::{Asked, asked, command},
        read::{read, read_access, read_bind, read_bucket},
        sources::{Sources, Texts, Wrong},
    },
    demo, logging,
    spool::{Kind, Spool},
};

fn main() -> ExitCode {
    let ended = match asked(&command().get_matches()) {
        Asked::Serve(flags) => serve(flags),
        Asked::Demo { once } => actix::System::new().block_on(demo::run(once)),
        Asked::Check(flags) => check(flags),
        Asked::Health { flags, question } => ask(flags, question),
        Asked::Manifest { public } => {
            // Who reads it may have seen enough.
            let _ = write!(std::io::stdout(), "{}", manifest(&public));
            Ok(())
        }
        Asked::Onboard { flags, options } => onboard(flags, &options),
        Asked::Report(options) => report(&options),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("statusinator: {error}");
            error.exit_code()
        }
    }
}

fn serve(flags: Texts) -> Result<(), AppError> {
    let config = read(&Sources::of_process(flags)).map_err(misconfigured)?;
    let spool = Spool::open(&config.data_dir, Kind::Logs, config.export.disk_limit).map_err(|error| {
        AppError::Misconfigured(format!("STATUSINATOR_DATA_DIR: logs cannot be written: {error}"))
    })?;
    let logs = logging::start(config.log, spool);
    actix::System::new().block_on(app::serve(config, &logs))
}

fn check(flags: Texts) -> Result<(), AppError> {
    let config = read(&Sources::of_process(flags)).map_err(misconfigured)?;
    actix::System::new().block_on(check::check(&config))
}

fn ask(flags: Texts, question: Question) -> Result<(), AppError> {
    let bind = read_bind(&Sources::of_process(flags)).map_err(misconfigured)?;
    actix::System::new().block_on(health::ask(bind, question))
}

fn onboard(flags: Texts, options: &Options) -> Result<(), AppError> {
    let access = read_access(&Sources::of_process(flags)).map_err(misconfigured)?;
    actix::System::new().block_on(onboard::run::run(options, &access, &Screen::of_process()))
}

fn report(options: &ReportOptions) -> Result<(), AppError> {
    let sources = Sources::of_process(Texts::new());
    let open = |bucket: &str| read_bucket(&sources, bucket).map_err(misconfigured);
    actix::System::new().block_on(report::report(options, open))
}

fn misconfigured(wrong: Vec<Wrong>) -> AppError {
    let lines: Vec<String> = wrong.iter().map(Wrong::to_string).collect();
    AppError::Misconfigured(format!("these settings are wrong:\n  {}", lines.join("\n  ")))
}
