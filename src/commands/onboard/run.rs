//! A run, from the file to the last member.

use std::path::PathBuf;

use anyhow::anyhow;

use crate::{
    app::AppError,
    config::Access,
    domain::{Preset, Presets},
    presets::name_at_most,
    storage::Key,
};

use super::{
    batch::{BYTES_AT_MOST, MEMBERS_AT_MOST, batches},
    difference::{Difference, Member},
    document::Flaw,
    presets_file::{Flaws, PresetsFile, WantedPicture, Wish},
    screen::Screen,
    service::{CallError, Service},
    show::{self, counted},
    upload::{self, Links, UploadError},
};

/// So many warnings are told one by one.
const WARNINGS_AT_MOST: usize = 20;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The presets file.
    pub file: PathBuf,
    /// Whether only to show what differs.
    pub dry_run: bool,
    /// Whether also to send what does not differ.
    pub all: bool,
}

/// Onboards everybody whom the file names, as far as he differs from it.
///
/// # Errors
/// [`AppError::Misconfigured`] when the file is wrong, [`AppError::Failed`] when the service does not do it.
pub async fn run(options: &Options, access: &Access, screen: &Screen) -> Result<(), AppError> {
    let file = PresetsFile::read(&options.file, name_at_most(access.name_field))
        .map_err(|flaws| AppError::Misconfigured(format!("{flaws}\nNothing was sent.")))?;
    let on_wait = |why: String| screen.note(show::plain(&why));
    let service = Service::new(&access.url, &access.token, &on_wait);
    let onboarded = service.onboarded().await.map_err(|error| failed(&error, 0))?;
    let difference = Difference::between(&onboarded, &file, options.all);
    if difference.members.is_empty() {
        let members = counted(difference.same, "member");
        screen.say(format!("Nothing to do: all is as {} says ({members}).", file.name()));
        return Ok(());
    }
    screen.say(show::difference(&difference, &file.name(), screen.paint));
    let missing = upload::missing(&difference.members);
    let work = match missing.len() {
        0 => counted(difference.members.len(), "member"),
        new => {
            format!("{} with {}", counted(difference.members.len(), "member"), counted(new, "new picture"))
        }
    };
    if options.dry_run {
        screen.say(format!("Nothing was sent: without --dry-run, {work} would be."));
        return Ok(());
    }
    screen.begin_uploads(missing.len());
    let uploaded = upload::upload(&missing, &service, screen).await;
    screen.end_uploads();
    let links = uploaded.map_err(|error| match error {
        UploadError::Refused(problems) => refused(&file.flaws(&problems), 0),
        UploadError::Failed(error) => failed(&error, 0),
    })?;
    write(&difference.members, &links, &file, &service, screen).await?;
    screen.say(format!("Onboarded {work}."));
    Ok(())
}

/// Posts all members, and tells the warnings.
async fn write(
    members: &[Member<'_>],
    links: &Links,
    file: &PresetsFile,
    service: &Service<'_>,
    screen: &Screen,
) -> Result<(), AppError> {
    let linked = members.iter().map(|member| (member.user, presets(member, links)));
    let batches = batches(linked, BYTES_AT_MOST, MEMBERS_AT_MOST).map_err(anyhow::Error::from)?;
    let (mut done, mut warnings) = (0, 0);
    for batch in batches {
        let written = service.onboard(&batch.body).await.map_err(|error| match error {
            CallError::Refused { problems, .. } if !problems.is_empty() => {
                refused(&file.flaws(&problems), done)
            }
            error => failed(&error, done),
        })?;
        done += batch.members;
        let Flaws { file, flaws } = file.flaws(&written.warnings);
        for Flaw { line, message } in flaws.into_iter().take(WARNINGS_AT_MOST.saturating_sub(warnings)) {
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            screen.warn(format!("{file}{line}: {message}"));
        }
        warnings += written.warnings.len();
    }
    if let Some(more) = warnings.checked_sub(WARNINGS_AT_MOST).filter(|more| *more > 0) {
        screen.warn(format!("and {more} more like these"));
    }
    Ok(())
}

/// A member's presets as the store shall have them.
fn presets(member: &Member<'_>, links: &Links) -> Presets {
    let linked = member.wishes.iter().map(|(key, Wish { name, picture })| {
        let picture = picture.as_ref().map(|picture| match picture {
            WantedPicture::Link(link) => link.clone(),
            WantedPicture::File(file) => {
                let place = Key::picture(member.user, file.id);
                let known = || member.known.get(&place).map(|link| (*link).to_owned());
                links.get(&place).cloned().or_else(known).unwrap_or_default()
            }
        });
        (key.clone(), Preset { name: name.clone(), picture })
    });
    Presets(linked.collect())
}

fn refused(flaws: &Flaws, done: usize) -> AppError {
    AppError::Misconfigured(format!("{flaws}\n{}", so_far(done)))
}

fn failed(error: &CallError, done: usize) -> AppError {
    AppError::Failed(anyhow!("{}\n{}", show::plain(&error.to_string()), so_far(done)))
}

fn so_far(done: usize) -> String {
    match done {
        0 => "Nobody was onboarded.".into(),
        done => format!(
            "{} were onboarded before that; run it again when this is mended, it goes on from there.",
            counted(done, "member")
        ),
    }
}
