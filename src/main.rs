//! Parses the command line, builds what it asks for, runs it.

use std::process::ExitCode;

use statusinator::{
    app::{self, AppError},
    config::{
        cli::{Asked, asked, command},
        read::read,
        sources::{Sources, Texts, Wrong},
    },
    demo, logging,
};

fn main() -> ExitCode {
    let ended = match asked(&command().get_matches()) {
        Asked::Serve(flags) => serve(flags),
        Asked::Demo { once } => actix::System::new().block_on(demo::run(once)),
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
    let config =
        read(&Sources::of_process(flags)).map_err(|wrong| AppError::Misconfigured(describe(&wrong)))?;
    let (log, _flushed_when_dropped) =
        logging::start(config.log, &config.data_dir.join("logs")).map_err(|error| {
            AppError::Misconfigured(format!("STATUSINATOR_DATA_DIR: logs cannot be written: {error}"))
        })?;
    actix::System::new().block_on(app::serve(config, &log))
}

fn describe(wrong: &[Wrong]) -> String {
    let lines: Vec<String> = wrong.iter().map(Wrong::to_string).collect();
    format!("these settings are wrong:\n  {}", lines.join("\n  "))
}
